FROM python:3.13-slim AS build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DEBUG=0
RUN useradd --system --no-create-home --shell /usr/sbin/nologin tickets
WORKDIR /app
COPY --from=build /venv /venv
COPY manage.py ./
COPY core core
COPY catalog catalog
COPY reservations reservations
COPY graphql_api graphql_api
# Collecting files needs no secret, so it is done as in development.
RUN DEBUG=1 python manage.py collectstatic --no-input
USER tickets
EXPOSE 8000
CMD ["python", "-m", "core.server", "--host", "0.0.0.0"]
