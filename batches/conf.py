"""Every setting of the engine and of triage, and what holds where a project does not set it.

`from batches.conf import settings` is Django's settings with these defaults. A project's own settings module takes
`BEAT_SCHEDULE` from here; `docs/existing-project.md` says what else it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings as project
from django.utils.functional import SimpleLazyObject


def once_an_hour(minute: int) -> Any:
    """Celery's schedule, made when it is asked: no process need import Celery for its settings."""

    def schedule() -> Any:
        from celery.schedules import crontab

        return crontab(minute=minute)

    return SimpleLazyObject(schedule)


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep": {"task": "batches.tasks.sweep", "schedule": 2.0, "options": {"expires": 2}},
    "clean-up": {"task": "batches.tasks.clean_up", "schedule": once_an_hour(minute=17)},
    "retention": {"task": "batches.tasks.retain", "schedule": once_an_hour(minute=41)},
}
"""What Celery's beat does for the engine: without the sweep nothing that was lost is found again."""

DEFAULTS: dict[str, Any] = {
    "PORTAL_LEASE_SECONDS": 60.0,
    "PORTAL_MAX_UPLOAD_MB": 50.0,
    "PORTAL_EXPORT_ROWS": 200_000,
    "PORTAL_EXPORT_XLSX_ROWS": 20_000,
    "PORTAL_PROCESSORS": [],
    "PORTAL_QUOTAS": {},
    "PORTAL_URL": "http://127.0.0.1:8000",
    "PORTAL_SOCKETS": 2_000,
    "PORTAL_SOCKETS_PER_USER": 10,
    "PORTAL_RATE_PER_CALLER": 6_000,
    "PORTAL_RATE_PER_ADDRESS": 12_000,
    "PORTAL_SIGN_IN_TRIES": 10,
    "PORTAL_COOL_OFF_MINUTES": 15.0,
    "PORTAL_ARCHIVE_AFTER_DAYS": 0,
    "PORTAL_DELETE_AFTER_DAYS": 0,
    "PORTAL_FORGET_DELETED_AFTER_DAYS": 1_095,
    "PORTAL_OUTBOUND_HOSTS": [],
    "PORTAL_IMPORT_MODELS": [],
    "PORTAL_WORKER_MEMORY_MB": 1024,
    "PORTAL_REDACT": [
        "password",
        "passwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "authorization",
        "cookie",
        "session",
        "private",
    ],
    "REDIS_URL": "",
}
DERIVED: dict[str, Callable[[], Any]] = {
    "PORTAL_IDLE_SECONDS": lambda: idle_seconds(settings.PORTAL_LEASE_SECONDS),
    "PORTAL_ITEM_TIMEOUT": lambda: item_timeout(settings.PORTAL_LEASE_SECONDS),
    "PORTAL_POOLED_IDLE_MS": lambda: pooled_idle_ms(settings.DATABASES["default"], settings.PORTAL_IDLE_SECONDS),
    "PORTAL_VAR": lambda: Path(getattr(project, "BASE_DIR", ".")).resolve() / "var",
}
"""Defaults that follow from other settings."""


class WithDefaults:
    """Django's settings, read when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(project, name)
        except AttributeError:
            if name in DEFAULTS:
                return DEFAULTS[name]
            if name in DERIVED:
                return DERIVED[name]()
            raise


settings: Any = WithDefaults()


def idle_seconds(lease_seconds: float) -> float:
    """After so long PostgreSQL ends a session inside a transaction: before its lease ends."""
    return lease_seconds * 2 / 3


def item_timeout(lease_seconds: float) -> float:
    """How long an item may take: less than its session may be idle."""
    return lease_seconds / 2


def is_pooled(database: dict[str, Any]) -> bool:
    """Whether a pooler gives each transaction another session, so that a session cannot be set up once."""
    return str(database.get("DISABLE_SERVER_SIDE_CURSORS", "")).lower() in ("true", "1", "yes", "on")


def pooled_idle_ms(database: dict[str, Any], seconds: float) -> str | None:
    """The idle limit that each transaction sets for itself behind a pooler; None where the session has it."""
    return str(int(seconds * 1000)) if is_pooled(database) else None
