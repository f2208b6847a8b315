"""Empties the tables between tests with real transactions: only those that hold rows, in one message each way.

Django's own `flush` empties all of them and then makes every permission anew, which takes longer than most tests.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

KEPT = {"django_migrations", "django_content_type", "auth_permission", "sqlite_sequence"}


@lru_cache
def tables(database: str) -> tuple[str, ...]:
    from django.db import connections

    found = connections[database].introspection.django_table_names(only_existing=True, include_views=False)
    return tuple(sorted(set(found) - KEPT))


def empty_tables(test_case: Any) -> None:
    """In place of `TransactionTestCase._fixture_teardown`; foreign keys are checked at the commit."""
    from django.db import connections, transaction

    for database in test_case._databases_names(include_mirrors=False):
        connection = connections[database]
        names = {name: connection.ops.quote_name(name) for name in tables(database)}
        asked = " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quoted})" for name, quoted in names.items()
        )
        with transaction.atomic(database), connection.cursor() as cursor:
            cursor.execute(asked)
            for (name,) in cursor.fetchall():
                cursor.execute(f"DELETE FROM {names[name]}")
