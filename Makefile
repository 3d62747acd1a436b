# `make run` and `make test` need Python 3.11 or later and nothing else; the rest is installed into .venv.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
THREADS ?= 2
export DEBUG ?= 1

BIN := .venv/bin

.PHONY: help run serve test check lint types schemas schema-files schemathesis bench fight clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: .venv/run.stamp  ## install, migrate, load the demo, and serve on http://127.0.0.1:8000
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py demo
	@echo "Shows       http://$(HOST):$(PORT)/"
	@echo "Swagger UI  http://$(HOST):$(PORT)/swagger/"
	@echo "GraphiQL    http://$(HOST):$(PORT)/graphql/"
	@echo "Admin       http://$(HOST):$(PORT)/admin/"
	@$(MAKE) --no-print-directory serve

serve: .venv/run.stamp  ## serve what is there
	$(BIN)/python -m core.server --host $(HOST) --port $(PORT) --workers $(WORKERS) --threads $(THREADS)

test: .venv/dev.stamp  ## every test, on SQLite and on a real PostgreSQL, and the coverage of both together
	$(BIN)/coverage erase
	DATABASE_URL= $(BIN)/coverage run -m pytest
	$(BIN)/python -m tests.postgres $(BIN)/coverage run --append -m pytest
	$(BIN)/coverage report

check: lint types schemas  ## lint, types, migrations, OpenAPI and SDL

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/dev.stamp
	$(BIN)/mypy

schemas: .venv/dev.stamp
	$(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m tests.postgres $(BIN)/python manage.py lintmigrations \
		--include-apps core catalog reservations --no-cache --sql-analyser postgresql
	$(BIN)/pytest -q tests/test_house.py

schemathesis: .venv/dev.stamp  ## let schemathesis look for answers that the OpenAPI document does not promise
	$(BIN)/python -m tests.schemathesis

bench: .venv/dev.stamp  ## measure it beside the textbook in about three minutes; FULL=1: everything
	$(BIN)/python -m bench $(if $(FULL),--full)

fight: .venv/dev.stamp  ## let CLIENTS fight for seats for SECS while everything is killed, and judge the histories
	$(BIN)/python -m tests.fight --secs $(or $(SECS),60) --clients $(or $(CLIENTS),16)

schema-files: .venv/dev.stamp  ## write the OpenAPI document and the SDL anew
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file core/openapi.yaml
	$(BIN)/python manage.py export_schema graphql_api.schema --path graphql_api/schema.graphql

clean:  ## remove what was installed and built
	rm -rf .venv staticfiles .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; say which: make PYTHON=python3.13 …")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run.stamp: requirements.txt | .venv/python.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements.txt requirements-otel.txt requirements-dev.txt | .venv/python.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
