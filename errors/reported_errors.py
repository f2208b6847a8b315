"""Failed attempts that callers of the Python API report, one by one or many at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from batches import adhoc, arguments
from batches.exceptions import InvalidInput
from batches.extensions import no_record, record_failures, registered
from batches.failures import Failure
from batches.lanes.outcomes import storable
from batches.models import Batch
from errors.grouping.single_failures import record_single

ERRORS_PER_TRANSACTION = 1_000
TRIAGE = "errors"
"""The name of the extension that records failures."""


def record_error(
    batch_id: str,
    item_id: str,
    item_index: int,
    error: BaseException,
    error_code: str | None = None,
    attempt: int | None = None,
) -> None:
    """Record one failed attempt of an item; the batch need not exist yet. An attempt is recorded once.

    `item_index` counts from 0. Without `attempt` it is the item's next one, without `error_code` the code is that of
    the exception. Raises `InvalidInput` for what is no item id, index or exception.
    """
    record_page(batch_id, [reported(item_id, item_index, error, error_code, attempt)])


def record_errors(batch_id: str, errors: Iterable[Mapping[str, Any]]) -> int:
    """Record many failed attempts, each a dict of `record_error`'s arguments; returns how many were new.

    A thousand are one transaction. Raises `InvalidInput`, with the place in the list, before any is recorded.
    """
    reports = []
    for place, values in enumerate(arguments.checked_list("errors", errors)):
        if not isinstance(values, Mapping):
            raise arguments.refused(f"errors[{place}]", values, "a dict of record_error's arguments")
        try:
            reports.append(reported(**values))
        except (InvalidInput, TypeError) as error:
            reason = str(error).replace("reported() missing", "It is missing").replace("reported()", "It")
            raise InvalidInput(f"errors[{place}]: {reason}", {f"errors[{place}]": [reason]}) from error
    pages = (
        reports[start : start + ERRORS_PER_TRANSACTION] for start in range(0, len(reports), ERRORS_PER_TRANSACTION)
    )
    return sum(record_page(batch_id, page) for page in pages)


@dataclass(frozen=True, slots=True)
class Reported:
    """A failed attempt as a caller told it; without a number it is the item's next one."""

    key: str
    index: int
    error: BaseException
    code: str
    attempt: int | None


def reported(item_id: Any, item_index: Any, error: Any, error_code: Any = None, attempt: Any = None) -> Reported:
    """The arguments of `record_error`, checked."""
    return Reported(
        key=arguments.checked_item(item_id),
        index=arguments.whole_number("item_index", item_index),
        error=arguments.checked_error("error", error),
        code="" if error_code is None else storable(str(error_code))[:64],
        attempt=None if attempt is None else arguments.whole_number("attempt", attempt, least=1),
    )


@transaction.atomic
def record_page(batch_id: str, reports: Sequence[Reported]) -> int:
    """Record them under the batch's lock; returns how many were new."""
    if len(reports) == 1 and record_quickly(batch_id, reports[0]):
        return 1
    batch, now = adhoc.locked_batch(batch_id), timezone.now()
    payloads, attempts = stored_of(batch, sorted({report.key for report in reports}))
    failures = []
    for report in reports:
        earlier = attempts.setdefault(report.key, set())
        if report.attempt in earlier:
            continue
        attempt = report.attempt or max(earlier, default=0) + 1
        earlier.add(attempt)
        failures.append(failure_of(report, payloads.get(report.key, {}), attempt, now))
    if failures:
        record_failures(batch, failures)
    return len(failures)


def record_quickly(batch_id: str, report: Reported) -> bool:
    """Record one failure of a group that its batch has met, where nobody but triage is told of failures; False, and
    nothing is written, if it takes more than that."""
    others = any(each.item_failed is not no_record for each in registered() if each.name != TRIAGE)
    if others or adhoc.is_driving(batch_id):
        return False
    failure = failure_of(report, {}, report.attempt or 1, timezone.now())
    return record_single(arguments.checked_id(batch_id), failure, next_attempt=report.attempt is None)


def failure_of(report: Reported, payload: dict[str, Any], attempt: int, now: datetime) -> Failure:
    return Failure(
        item_id=0,
        item_key=report.key,
        position=report.index,
        payload=payload,
        attempt=attempt,
        exception=report.error,
        code=report.code,
        final=True,
        started_at=now,
        finished_at=now,
        worker="",
    )


STORED = """
SELECT key, CAST(payload AS text), CAST(NULL AS integer) FROM batches_item WHERE batch_id = %s AND key IN ({keys})
UNION ALL
SELECT item_key, NULL, attempt FROM errors_errorrecord WHERE batch_id = %s AND item_id IS NULL AND item_key IN ({keys})
"""


def stored_of(batch: Batch, keys: Sequence[str]) -> tuple[dict[str, Any], dict[str, set[int]]]:
    """By item id: the payloads, and the attempts that callers have recorded. One statement."""
    sql = STORED.format(keys=", ".join(["%s"] * len(keys)))
    payloads: dict[str, Any] = {}
    attempts: dict[str, set[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [batch.pk, *keys, batch.pk, *keys])
        for key, payload, attempt in cursor.fetchall():
            if attempt is None:
                payloads[key] = json.loads(payload)
            else:
                attempts.setdefault(key, set()).add(attempt)
    return payloads, attempts
