"""`manage.py migrate` may think for as long as it needs: no lease runs meanwhile, and half a migration helps nobody."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


def connect(app: AppConfig) -> None:
    """To this app's signals, which are sent once before all migrations and once after them."""
    pre_migrate.connect(lift_idle_limit, sender=app)
    post_migrate.connect(restore_idle_limit, sender=app)


def lift_idle_limit(using: str, **kwargs: Any) -> None:
    """PostgreSQL lets the session be idle within a transaction, as while the next tables are worked out."""
    execute(using, "SET idle_in_transaction_session_timeout = 0")


def restore_idle_limit(using: str, **kwargs: Any) -> None:
    """As the settings say, for what a process does afterwards."""
    execute(using, "RESET idle_in_transaction_session_timeout")


def execute(using: str, statement: str) -> None:
    """Where the session is this process's alone: behind a pooler it has no such limit, and the next one may be
    another's."""
    connection = connections[using]
    if connection.vendor == "postgresql" and not connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
