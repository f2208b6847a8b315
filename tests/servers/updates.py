"""No UPDATE of the portal's may find its rows through a join.

Django writes such an update as `WHERE id IN (SELECT …)`. Where two sessions meet, PostgreSQL makes the second one wait
and then looks again at the row itself, but not at the subquery that named it: both change it, and both are told so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import django
from django.db.models.sql.compiler import SQLUpdateCompiler

DJANGO = str(Path(django.__file__).parent)
TESTS = str(Path(__file__).resolve().parents[1])


def refuse_joins() -> None:
    original = SQLUpdateCompiler.pre_sql_setup

    def pre_sql_setup(self: Any) -> Any:
        self.query.get_initial_alias()
        model = self.query.model
        if model._meta.app_label in ("batches", "errors") and self.query.count_active_tables() != 1 and not by_a_test():
            raise AssertionError(f"An update of {model.__name__} names its rows by a join: say it with Exists or __in.")
        return original(self)

    SQLUpdateCompiler.pre_sql_setup = pre_sql_setup


def by_a_test() -> bool:
    """Whether the first one to ask, outside Django and this file, is a test: nobody else is at work then."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename == __file__ or frame.f_code.co_filename.startswith(DJANGO)):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(TESTS)
