"""One migration an app makes an empty database as the many make it that it stands for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.upgrade.databases import filled, python

STEP_BY_STEP = """
import django; django.setup()
from tests.helpers.migration_steps import REPLACED, step_by_step
step_by_step().migrate(REPLACED)
"""
LOOK = """
import json, django; django.setup()
from tests.upgrade.test_squashed_migrations import described
print(json.dumps(described()))
"""
SQLITE = "SELECT type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
POSTGRESQL = {
    "columns": "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, "
    "is_identity FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace",
    "functions": "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "storage": "SELECT relname, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
    "AND reloptions IS NOT NULL",
}
ROLES = """
SELECT g.name, t.app_label, p.codename, p.name FROM auth_group_permissions gp JOIN auth_group g ON g.id = gp.group_id
JOIN auth_permission p ON p.id = gp.permission_id JOIN django_content_type t ON t.id = p.content_type_id
"""
"""Who may do what."""


def described() -> dict[str, list[str]]:
    """What stands in the database, but for the order of columns."""
    queries = {"tables": SQLITE} if connection.vendor == "sqlite" else POSTGRESQL
    return {name: sorted(rows(query)) for name, query in {**queries, "roles": ROLES}.items()}


def rows(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [" | ".join(clauses_sorted(value) for value in row) for row in cursor.fetchall()]


def clauses_sorted(value: Any) -> str:
    text = str(value)
    if not text.startswith("CREATE TABLE"):
        return text
    head, _, body = text.partition("(")
    return head + ", ".join(sorted(re.split(r", (?![^()]*\))", body.removesuffix(")"))))


@pytest.mark.full
def test_it_makes_an_empty_database_as_the_migrations_that_it_replaces(db: None, tmp_path: Path) -> None:
    with filled(tmp_path) as database:
        python(database, tmp_path, "-c", STEP_BY_STEP)
        python(database, tmp_path, "manage.py", "migrate", "-v0")
        step_by_step = json.loads(python(database, tmp_path, "-c", LOOK))
    at_once = described()
    for kind in at_once:
        assert at_once[kind] == step_by_step[kind]
