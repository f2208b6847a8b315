"""No UPDATE of the portal's may find its rows through a join.

Django writes such an update as `WHERE id IN (SELECT …)`. Where two sessions meet, PostgreSQL makes the second one wait
and then looks again at the row itself, but not at the subquery that named it: both change it, and both are told so.
"""

from __future__ import annotations

from typing import Any

from django.db.models.sql.compiler import SQLUpdateCompiler


def refuse_joins() -> None:
    original = SQLUpdateCompiler.pre_sql_setup

    def pre_sql_setup(self: Any) -> Any:
        self.query.get_initial_alias()
        model = self.query.model
        if model._meta.app_label in ("batches", "errors") and self.query.count_active_tables() != 1:
            raise AssertionError(f"An update of {model.__name__} names its rows by a join: say it with Exists or __in.")
        return original(self)

    SQLUpdateCompiler.pre_sql_setup = pre_sql_setup
