"""Transactions whose commit nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def not_waited_for() -> Iterator[None]:
    """A transaction that PostgreSQL writes to its disk within a moment, not before it answers.

    For what costs nothing that counts if the server dies in that moment: what is committed later is never kept
    without it. Within another transaction it is a part of that one, which is waited for.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO OFF")
        yield
