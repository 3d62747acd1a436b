"""Every setting of the project; the environment is read here alone."""

import os
import re
from datetime import timedelta
from pathlib import Path

import dj_database_url
import yaml
from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def _list(name: str) -> list[str]:
    return [entry.strip() for entry in os.environ.get(name, "").split(",") if entry.strip()]


def _integer(name: str, default: int, *, minimum: int = 0, maximum: int = 9_999_999) -> int:
    value = os.environ.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,7}", value) or not minimum <= int(value) <= maximum:
        raise ImproperlyConfigured(f"{name} must be a whole number from {minimum} to {maximum}, not {value!r}.")
    return int(value)


def _rate(name: str, default: str) -> tuple[int, int]:
    """Read ``60/min`` as (tries, seconds)."""
    value = os.environ.get(name) or default
    match = re.fullmatch(r"([1-9][0-9]{0,5})/(sec|min|hour|day)", value)
    if not match:
        raise ImproperlyConfigured(f"{name} must read like 60/min (sec, min, hour, day), not {value!r}.")
    return int(match[1]), {"sec": 1, "min": 60, "hour": 3600, "day": 86400}[match[2]]


# --- Development or production ----------------------------------------------------------------

DEBUG = os.environ.get("DEBUG", "0") in ("1", "true", "True")
SECRET_KEY = os.environ.get("SECRET_KEY", "")
JWT_SIGNING_KEY = os.environ.get("JWT_SIGNING_KEY", "")
ALLOWED_HOSTS = _list("ALLOWED_HOSTS")

if DEBUG:
    SECRET_KEY = SECRET_KEY or "development-only: known to everybody who reads this repository"
    JWT_SIGNING_KEY = JWT_SIGNING_KEY or "development-only: signs tokens that nobody should trust"
else:
    _problems = []
    for _name, _key in (("SECRET_KEY", SECRET_KEY), ("JWT_SIGNING_KEY", JWT_SIGNING_KEY)):
        if not _key:
            _problems.append(f"{_name} is not set")
        elif len(_key) < 50:  # what Django's own deployment check asks of SECRET_KEY
            _problems.append(f"{_name} is shorter than 50 characters")
    if SECRET_KEY and SECRET_KEY == JWT_SIGNING_KEY:
        _problems.append("SECRET_KEY and JWT_SIGNING_KEY are equal")
    if not ALLOWED_HOSTS:
        _problems.append("ALLOWED_HOSTS is not set")
    if _problems:
        raise ImproperlyConfigured(f"Production does not start: {'; '.join(_problems)}. For development set DEBUG=1.")

# --- Applications -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "graphene_django_graphiql_static",  # GraphiQL's static files; nothing else of it is used
    "strawberry_django",
    # Ours come last: core.admin unregisters what the others registered.
    "core",
    "catalog",
    "reservations",
    "graphql_api",
]

MIDDLEWARE = [
    "core.middleware.RequestLogMiddleware",
    "core.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "core.middleware.AdminSessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "core.middleware.AdminAuthenticationMiddleware",
    "core.middleware.AdminMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "core.middleware.ExceptionMiddleware",
]

ROOT_URLCONF = "core.urls"
THREADS = _integer("THREADS", 2, minimum=1, maximum=99)  # that serve requests, in each process of core.server
WSGI_APPLICATION = "core.wsgi.application"
APPEND_SLASH = False  # a redirect would turn a client's POST into a GET; core.urls takes both forms

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database ---------------------------------------------------------------------------------

DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
if not DATABASE_URL.startswith(("postgres://", "postgresql://", "sqlite:///")):
    raise ImproperlyConfigured("DATABASE_URL must begin with postgres:// or sqlite:///.")

DATABASES = {
    # Opening a connection costs more than a booking. After some minutes it is replaced, and with it the plans of its
    # prepared statements, which may have been made when the tables were empty.
    "default": dj_database_url.parse(DATABASE_URL, conn_max_age=300, conn_health_checks=True)
}

# Milliseconds. Commands take any time for a statement; the servers' entry points set limits for themselves.
_LOCK_TIMEOUT = _integer("LOCK_TIMEOUT", 2000)
_STATEMENT_TIMEOUT = _integer("STATEMENT_TIMEOUT", 0)

if DATABASE_URL.startswith("sqlite:///"):
    DATABASES["default"]["OPTIONS"] = {
        # Every transaction takes the write lock when it begins, so it cannot fail half way to it.
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,  # seconds to wait for that lock
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASES["default"]["ENGINE"] = "core.postgresql"
    DATABASES["default"]["OPTIONS"] = {
        # A client hears "busy" or "database_unavailable" in seconds, whatever the database does.
        "connect_timeout": 2,  # seconds, as all below that bear no unit
        "answer_within": _STATEMENT_TIMEOUT / 1000 + 0.5 if _STATEMENT_TIMEOUT else None,
        "tcp_user_timeout": 3000,  # milliseconds
        "keepalives_idle": 5,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        # The server parses and plans a statement once a connection. A pooler between must know of it.
        "server_side_binding": True,
        "prepare_threshold": 2,
        "options": " ".join(
            [
                DATABASES["default"].get("OPTIONS", {}).pop("options", ""),  # of the URL; ours come after it
                f"-c lock_timeout={_LOCK_TIMEOUT}",
                f"-c statement_timeout={_STATEMENT_TIMEOUT}",
                "-c idle_in_transaction_session_timeout=10s",
                # Every hot statement has an index. Where statistics say that a table is empty, as after ANALYZE before
                # the first sale, prepared plans would scan the whole table until the next ANALYZE.
                "-c enable_seqscan=off",
                # And by that index each joined row is found alone; a merge would read a table up to it.
                "-c enable_mergejoin=off",
                # A snapshot older than its lock would sell a seat twice: see reservations/claims.py.
                "-c default_transaction_isolation=read\\ committed",
            ]
        ),
        **DATABASES["default"].get("OPTIONS", {}),
    }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Accounts ---------------------------------------------------------------------------------

AUTH_USER_MODEL = "core.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = ["core.hashers.Argon2", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]

SIMPLE_JWT = {
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    # A fingerprint of the password's hash travels in the token: a new password ends the old tokens.
    "CHECK_REVOKE_TOKEN": True,
}

NUM_PROXIES = _integer("NUM_PROXIES", 0, maximum=99)
THROTTLES = {
    "signup": _rate("THROTTLE_SIGNUP", "60/min"),
    "login": _rate("THROTTLE_LOGIN", "60/min"),
    "refresh": _rate("THROTTLE_REFRESH", "120/min"),
    "account": _rate("THROTTLE_ACCOUNT", "10/min"),
}

# --- Holds ------------------------------------------------------------------------------------

HOLD_SECONDS = _integer("HOLD_SECONDS", 600, minimum=1, maximum=999_999)  # how long a hold keeps its seats
# And at most, however often it is extended:
HOLD_LONGEST_SECONDS = _integer("HOLD_LONGEST_SECONDS", 1800, minimum=1, maximum=999_999)
HOLD_SEATS = _integer("HOLD_SEATS", 10, minimum=1, maximum=999_999)  # seats that one account may hold of one show

# --- Observing it -----------------------------------------------------------------------------

METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")  # what Prometheus shows at /metrics; without it nothing is counted
if METRICS_TOKEN and len(METRICS_TOKEN) < 32 and not DEBUG:
    raise ImproperlyConfigured("METRICS_TOKEN is shorter than 32 characters.")

OTEL_EXPORTER_OTLP_ENDPOINT = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")  # where traces are sent

# --- REST -------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024  # bytes of a body; the largest legitimate one is an admin form

# In each process: rendered lists of movies, under a version that the database gives (catalog.api.movies).
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 64}},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["core.api.authentication.AccountAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.renderers.ORJSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.api.negotiation.ContentNegotiation",
    "DEFAULT_PARSER_CLASSES": ["core.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "core.api.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.api.exceptions.error_response",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    **yaml.safe_load((BASE_DIR / "core" / "api" / "description.yaml").read_text()),  # title, description, version, tags
    "APPEND_COMPONENTS": yaml.safe_load((BASE_DIR / "core" / "api" / "components.yaml").read_text()),
    "SORT_OPERATIONS": False,  # they come in the order of core.urls
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": True,
    "PREPROCESSING_HOOKS": ["core.urls.only_canonical_addresses"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.openapi.name_partial_changes",
    ],
    # The numbers that core.urls.Id takes; any other is an address that does not exist.
    "PATH_CONVERTER_OVERRIDES": {
        "id": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 10**18 - 1, "example": 1}
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "BookingStatus": "reservations.models.BookingStatus",
        "SeatStatus": "reservations.seat_map.STATES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": True, "displayRequestDuration": True, "tryItOutEnabled": True},
}

# --- GraphQL ----------------------------------------------------------------------------------

STRAWBERRY_DJANGO = {"FIELD_DESCRIPTION_FROM_HELP_TEXT": True}

# --- Browsers ---------------------------------------------------------------------------------

CORS_ALLOWED_ORIGINS = _list("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "if-none-match", "x-request-id"]
CORS_EXPOSE_HEADERS = ["Date", "ETag", "Idempotent-Replayed", "Link", "X-Total-Count", "X-Request-ID", "Retry-After"]
CSRF_TRUSTED_ORIGINS = _list("CSRF_TRUSTED_ORIGINS")

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        # The one <style> of Swagger UI's page, and the one that GraphiQL's dialogs add.
        "style-src 'self' 'sha256-MMpT0iDxyjALd9PdfepImGX3DBfJPXZ4IlDWdPAgtn0='"
        " 'sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc='",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

CSRF_COOKIE_HTTPONLY = True

if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|metrics)/?$"]  # probes and Prometheus come over plain HTTP
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if NUM_PROXIES:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Files, language, time --------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG  # in development nothing need be collected first

USE_I18N = False
TIME_ZONE = "UTC"

# --- Logs -------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"has_traceback": {"()": "core.observability.logs.TracebackFilter"}},
    "formatters": {"line": {"()": "core.observability.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # core.middleware.RequestLogMiddleware writes one line a request; Django's own would be a second.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"level": "ERROR", "filters": ["has_traceback"]},
        "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}
