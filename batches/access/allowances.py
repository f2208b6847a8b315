"""Counting what callers ask for, in the database, so that all web processes count together: one statement a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import time

from django.db import connection
from django.db.models import F

from batches.models import Allowance
from batches.paged_deletes import delete_in_steps

SPEND = """
INSERT INTO batches_allowance (key, started_ms, window_ms, used) VALUES {rows}
ON CONFLICT (key) DO UPDATE SET
  used = CASE WHEN batches_allowance.started_ms + batches_allowance.window_ms <= excluded.started_ms
    THEN excluded.used ELSE batches_allowance.used + excluded.used END,
  window_ms = excluded.window_ms,
  started_ms = CASE WHEN batches_allowance.started_ms + batches_allowance.window_ms <= excluded.started_ms
    THEN excluded.started_ms ELSE batches_allowance.started_ms END
RETURNING key, started_ms, used
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`quantity` in each window of so many seconds; `name` is that of the policy."""

    name: str
    quantity: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Use:
    """What of a limit is used, the present request included, and when its window ends, in seconds since 1970."""

    limit: Limit
    used: int
    ends_at: float

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit.quantity

    @property
    def remaining(self) -> int:
        return max(0, self.limit.quantity - self.used)

    @property
    def resets_in(self) -> int:
        """Whole seconds, at least one."""
        return max(1, ceil(self.ends_at - time()))


@dataclass(frozen=True, slots=True)
class Spending:
    """So much of a caller's limit."""

    key: str
    limit: Limit
    amount: int = 1


def spend(spendings: Sequence[Spending]) -> list[Use]:
    """Count them, each on a key of its own, by one statement; the uses that all processes have counted together."""
    now_ms = int(time() * 1000)
    ordered = sorted(spendings, key=lambda spending: spending.key)  # everybody locks rows in the same order
    values = [(each.key, now_ms, each.limit.seconds * 1000, each.amount) for each in ordered]
    statement = SPEND.format(rows=", ".join(["(%s, %s, %s, %s)"] * len(values)))
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for row in values for value in row])
        counted = {key: (started_ms, used) for key, started_ms, used in cursor.fetchall()}
    return [use_of(each, *counted[each.key]) for each in spendings]


def use_of(spending: Spending, started_ms: int, used: int) -> Use:
    return Use(spending.limit, used, started_ms / 1000 + spending.limit.seconds)


def forget_ended() -> int:
    """Remove the counts whose windows have ended; how many."""
    return delete_in_steps(
        Allowance.objects.alias(ends=F("started_ms") + F("window_ms")).filter(ends__lte=int(time() * 1000))
    )


def forget(*keys: str) -> None:
    """Count anew for these."""
    Allowance.objects.filter(pk__in=keys).delete()
