"""Operations of migrations on indexes of big tables, beside which a portal goes on writing.

For migrations with `atomic = False`. On PostgreSQL an index is built and dropped concurrently. One whose build was
interrupted, or whose migration was not recorded any more, is met as it was left: what is not valid is built anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddIndex, RemoveIndex
from django.db.migrations.state import ProjectState

from batches import conf

LOOK_EVERY = 1.0
"""Seconds between two looks at a build of somebody else's."""
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
IS_BEING_BUILT = "SELECT 1 FROM pg_stat_progress_create_index WHERE index_relid = to_regclass(%s)"


class AddIndexOnline(AddIndex):
    """Adds an index while rows are written; what is left of an interrupted build goes first."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not is_online(schema_editor):
            return super().database_forwards(app_label, schema_editor, from_state, to_state)
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model) or is_there(schema_editor, self.index):
            return None
        with patience(schema_editor):
            drop(schema_editor, self.index.name)
            schema_editor.add_index(model, self.index, concurrently=True)  # type: ignore[call-arg]
        return None

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not is_online(schema_editor):
            return super().database_backwards(app_label, schema_editor, from_state, to_state)
        with patience(schema_editor):
            return drop(schema_editor, self.index.name)


class RemoveIndexOnline(RemoveIndex):
    """Drops an index while rows are written, if it is there."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        if not is_online(schema_editor):
            return super().database_forwards(app_label, schema_editor, from_state, to_state)
        with patience(schema_editor):
            return drop(schema_editor, self.name)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        AddIndexOnline(self.model_name, index).database_forwards(app_label, schema_editor, from_state, to_state)


def is_online(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    """Whether it can be done concurrently: on PostgreSQL, outside a transaction."""
    return schema_editor.connection.vendor == "postgresql" and not schema_editor.connection.in_atomic_block


@contextmanager
def patience(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """Inside, a build waits for other transactions as long as they take; a session's limit would leave it half done."""
    limited = not conf.is_pooled(schema_editor.connection.settings_dict)
    if limited:
        schema_editor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        if limited:
            schema_editor.execute("RESET lock_timeout")


def is_there(schema_editor: BaseDatabaseSchemaEditor, index: Any) -> bool:
    """Whether there is a valid index of that name; waits for the end of a build that is under way."""
    if schema_editor.collect_sql:  # type: ignore[attr-defined]
        return False
    while row(schema_editor, IS_BEING_BUILT, index.name):
        sleep(LOOK_EVERY)
    return row(schema_editor, IS_VALID, index.name) == (True,)


def row(schema_editor: BaseDatabaseSchemaEditor, sql: str, name: str) -> Any:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(sql, [schema_editor.connection.ops.quote_name(name)])
        return cursor.fetchone()


def drop(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.connection.ops.quote_name(name)}")
