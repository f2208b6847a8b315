"""Migrations one by one, also those that one migration stands for on an empty database."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

REPLACED = [("batches", "0029_record_calls"), ("errors", "0010_waiting_items_of_groups")]
"""The last of each app that is replaced."""


def step_by_step() -> MigrationExecutor:
    """Goes the way of a database that an earlier release made."""
    executor = MigrationExecutor(connection)
    executor.loader.replace_migrations = False
    executor.loader.build_graph()
    return executor
