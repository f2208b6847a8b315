"""Settings, from the environment only; few, and loud when wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import environ
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured

import errors.conf
from batches import conf
from batches.isolation.connections import guarded
from batchportal import __version__, places, plugin_apps, private_files, safe_settings
from batchportal.secret_key import read_or_create_secret_key
from batchportal.web_processes import web_processes

env = environ.Env()
VAR = Path(env.str("PORTAL_VAR", default="") or places.default_var()).resolve()
private_files.claim(VAR)

# -- Django ------------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or read_or_create_secret_key(VAR / "secret_key")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if not DEBUG:
    safe_settings.refuse_unsafe(SECRET_KEY, ALLOWED_HOSTS)

INSTALLED_APPS: list[Any] = [
    *(["daphne"] if "runserver" in sys.argv else []),  # it adds nothing else, and takes a tenth of a command's start
    "batchportal.apps.PortalConfig",
    "batchportal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "batches",
    "errors",
    *plugin_apps.plugged_in(env.list("PORTAL_APPS", default=[])),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "batchportal.csp.content_security_policy",
    "batchportal.nul_paths.no_nul_in_paths",
    "batchportal.static_files.StaticFiles",
    "batchportal.cache_control.no_store",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "batchportal.probes.HostCheck",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "batchportal.strangers.small_bodies_only",
    "batches.page_acts.answer_acts",
    "batches.reader_zone.ReaderZone",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "batchportal.read_limit.ReadLimit",
]
ROOT_URLCONF = "batchportal.urls"
ASGI_APPLICATION = "batchportal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [places.TEMPLATES],
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
PASSWORD_HASHERS = [
    "batchportal.sign_in.PatientHasher",
    *(hasher for hasher in global_settings.PASSWORD_HASHERS if not hasher.endswith(".PBKDF2PasswordHasher")),
]
AUTHENTICATION_BACKENDS = ["batchportal.sign_in_guard.Guard", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "admin:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of one that is missing
STATICFILES_DIRS = places.STATIC
WHITENOISE_USE_FINDERS = True

# -- the portal --------------------------------------------------------------------------------------------------------

PORTAL_LEASE_SECONDS = env.float("PORTAL_LEASE_SECONDS", default=conf.DEFAULTS["PORTAL_LEASE_SECONDS"])
PORTAL_IDLE_SECONDS = env.float("PORTAL_IDLE_SECONDS", default=conf.idle_seconds(PORTAL_LEASE_SECONDS))
PORTAL_ITEM_TIMEOUT = env.float("PORTAL_ITEM_TIMEOUT", default=conf.item_timeout(PORTAL_LEASE_SECONDS))
if not 0 < PORTAL_ITEM_TIMEOUT < PORTAL_IDLE_SECONDS < PORTAL_LEASE_SECONDS:
    raise ImproperlyConfigured("It must hold: 0 < PORTAL_ITEM_TIMEOUT < PORTAL_IDLE_SECONDS < PORTAL_LEASE_SECONDS.")
PORTAL_READ_SECONDS = env.float("PORTAL_READ_SECONDS", default=20)
if not 0 <= PORTAL_READ_SECONDS <= 86_400:
    raise ImproperlyConfigured("PORTAL_READ_SECONDS must be between 0, for no limit, and 86400.")
PORTAL_MAX_UPLOAD_MB = env.float("PORTAL_MAX_UPLOAD_MB", default=conf.DEFAULTS["PORTAL_MAX_UPLOAD_MB"])
PORTAL_EXPORT_ROWS = env.int("PORTAL_EXPORT_ROWS", default=conf.DEFAULTS["PORTAL_EXPORT_ROWS"])
PORTAL_EXPORT_XLSX_ROWS = env.int("PORTAL_EXPORT_XLSX_ROWS", default=conf.DEFAULTS["PORTAL_EXPORT_XLSX_ROWS"])
PORTAL_PROCESSORS = env.list("PORTAL_PROCESSORS", default=conf.DEFAULTS["PORTAL_PROCESSORS"])
try:
    PORTAL_QUOTAS = env.json("PORTAL_QUOTAS", default=conf.DEFAULTS["PORTAL_QUOTAS"])
except ValueError as error:
    raise ImproperlyConfigured(f"PORTAL_QUOTAS must be JSON: {error}") from None
PORTAL_WEB = web_processes()
PORTAL_URL = env.str("PORTAL_URL", default=f"http://127.0.0.1:{env.str('PORT', default='8000')}").rstrip("/")
PORTAL_SOCKETS = env.int("PORTAL_SOCKETS", default=conf.DEFAULTS["PORTAL_SOCKETS"])
PORTAL_SOCKETS_PER_USER = env.int("PORTAL_SOCKETS_PER_USER", default=conf.DEFAULTS["PORTAL_SOCKETS_PER_USER"])
PORTAL_OUTBOUND_HOSTS = env.list("PORTAL_OUTBOUND_HOSTS", default=conf.DEFAULTS["PORTAL_OUTBOUND_HOSTS"])
PORTAL_IMPORT_MODELS = env.list("PORTAL_IMPORT_MODELS", default=conf.DEFAULTS["PORTAL_IMPORT_MODELS"])
PORTAL_WORKER_MEMORY_MB = env.int("PORTAL_WORKER_MEMORY_MB", default=conf.DEFAULTS["PORTAL_WORKER_MEMORY_MB"])
PORTAL_REDACT = env.list("PORTAL_REDACT", default=conf.DEFAULTS["PORTAL_REDACT"])
PORTAL_VAR = VAR

# -- database ----------------------------------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR / 'portal.sqlite3'}")}
DATABASES["default"] = guarded(DATABASES["default"], PORTAL_IDLE_SECONDS)
PORTAL_POOLED_IDLE_MS = conf.pooled_idle_ms(DATABASES["default"], PORTAL_IDLE_SECONDS)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}

# -- Celery ------------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT = "batchportal.file_broker:Transport"
    (VAR / "broker").mkdir(exist_ok=True)
    (VAR / "broker" / "control").mkdir(exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR / "broker"),
        "data_folder_out": str(VAR / "broker"),
        "control_folder": str(VAR / "broker" / "control"),
        "polling_interval": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 300, "socket_timeout": 5, "socket_connect_timeout": 2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "batchportal"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "batchportal.pool:Processes"
CELERY_WORKER_LOST_WAIT = 0.1  # a killed child keeps its place in the pool for so long; Celery would wait 10 s
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_BEAT_SCHEDULE = {**conf.BEAT_SCHEDULE, **errors.conf.BEAT_SCHEDULE}
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # in memory: its file, torn by a crash, would keep beat from starting

# -- Mail --------------------------------------------------------------------------------------------------------------

if env.str("EMAIL_URL", default=""):
    vars().update(env.email_url("EMAIL_URL"))
else:  # nothing is sent, and nothing is lost
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(VAR / "mail")
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="batchportal@localhost")

# -- REST and sockets --------------------------------------------------------------------------------------------------

PORTAL_RATE_PER_CALLER = env.int("PORTAL_RATE_PER_CALLER", default=conf.DEFAULTS["PORTAL_RATE_PER_CALLER"])
PORTAL_RATE_PER_ADDRESS = env.int("PORTAL_RATE_PER_ADDRESS", default=conf.DEFAULTS["PORTAL_RATE_PER_ADDRESS"])
PORTAL_SIGN_IN_TRIES = env.int("PORTAL_SIGN_IN_TRIES", default=conf.DEFAULTS["PORTAL_SIGN_IN_TRIES"])
PORTAL_COOL_OFF_MINUTES = env.float("PORTAL_COOL_OFF_MINUTES", default=conf.DEFAULTS["PORTAL_COOL_OFF_MINUTES"])
PORTAL_ARCHIVE_AFTER_DAYS = env.int("PORTAL_ARCHIVE_AFTER_DAYS", default=conf.DEFAULTS["PORTAL_ARCHIVE_AFTER_DAYS"])
PORTAL_DELETE_AFTER_DAYS = env.int("PORTAL_DELETE_AFTER_DAYS", default=conf.DEFAULTS["PORTAL_DELETE_AFTER_DAYS"])
PORTAL_FORGET_DELETED_AFTER_DAYS = env.int(
    "PORTAL_FORGET_DELETED_AFTER_DAYS", default=conf.DEFAULTS["PORTAL_FORGET_DELETED_AFTER_DAYS"]
)
BEHIND_TLS = env.bool("PORTAL_BEHIND_TLS", default=False)
PORTAL_PROXIES = env.int("PORTAL_PROXIES", default=1 if BEHIND_TLS else 0)
safe_settings.refuse_senseless_limits(vars())
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "batches.rest.permissions.PortalSessionAuthentication",
        "batches.rest.permissions.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["batches.rest.permissions.MayView"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "batchportal.api.problem_response",
    "NUM_PROXIES": PORTAL_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "batchportal",
    "DESCRIPTION": "Run big batches of items exactly once, and triage what failed.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["batches.rest.permissions.MayView"],
    "PREPROCESSING_HOOKS": ["batches.rest.schema.without_trailing_slashes"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "errors.rest.field_texts.describe",
        "batches.rest.field_texts.describe",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "BatchStatus": "batches.models.Batch.Status",
        "FixState": "batches.models.Fix.State",
        "ItemStatus": "batches.models.Item.Status",
        "RemovalKind": "batches.models.Removal.Kind",
    },
}
REDIS_URL = env.str("REDIS_URL", default="")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# -- security ----------------------------------------------------------------------------------------------------------

CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)/?$"]  # batchportal.probes
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = int(PORTAL_MAX_UPLOAD_MB * 1024 * 1024)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
LARGEST_BODY_OF_STRANGERS = 64 * 1024
FILE_UPLOAD_TEMP_DIR = str(VAR)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "batchportal.log_lines.LogLine",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "batches": {"level": env.str("LOG_LEVEL", default="INFO")},
        "kombu.connection": {"level": "ERROR"},  # it warns that filesystem:// names no host
    },
}
