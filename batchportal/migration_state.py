"""Which migrations this version has and the database has not."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def unapplied() -> list[str]:
    """Their names. Where all files are on record none is imported: with what they need, the migrations would stay in
    memory for good. Else Django says what is missing: one that replaces others need not be on record itself."""
    if set(files()) <= set(MigrationRecorder(connection).applied_migrations()):
        return []
    executor = MigrationExecutor(connection)
    return [str(step) for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def files() -> Iterator[tuple[str, str]]:
    """App and name of each."""
    for app in apps.get_app_configs():
        package, _ = MigrationLoader.migrations_module(app.label)
        if package is None:
            continue
        try:
            places = import_module(package).__path__
        except (ModuleNotFoundError, AttributeError):
            continue
        yield from ((app.label, name) for _, name, _ in pkgutil.iter_modules(places) if name[0] not in "_~")
