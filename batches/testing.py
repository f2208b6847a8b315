"""For the tests of processors: run one on a few rows, without a batch and without a worker.

    def test_it_names_an_unknown_product(db):
        with trial("catalog.reprice", [{"sku": "A"}, {"sku": "X"}], {"percent": "10"}) as (known, unknown):
            assert known.status == "SUCCEEDED"
            assert Product.objects.get(sku="A").price == Decimal("21.99")
            assert (unknown.status, unknown.code) == ("FAILED", "SKU_UNKNOWN")

Parameters are cleaned as at every door, an item that fails leaves nothing behind, and at the end of the block
everything is rolled back. What the engine adds is not tried: limits of time, crashes, retries that are waited for.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction

from batches import clock
from batches.engine.context import ItemContext
from batches.engine.resources import Resources, WorkerResources, plain_function
from batches.engine.together import settle
from batches.isolation.guard import TransactionBroken
from batches.lanes import outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.processors import Opener, Processor, SkipItem, get
from batches.processors.calls import answers_of, result_of
from batches.processors.parameters import Params
from batches.redaction import SharedSources

__all__ = ["TriedItem", "trial"]


@dataclass(frozen=True, slots=True)
class TriedItem:
    """What one attempt at one row came to.

    `status` is SUCCEEDED, SKIPPED, FAILED, or PENDING for an item that would be tried again, `after` so many seconds if
    the failure named them. `message` is the failure's, or the reason for skipping; `error` the exception itself.
    """

    payload: dict[str, Any]
    status: str
    result: Any = None
    message: str = ""
    code: str = ""
    category: str = ""
    fields: tuple[str, ...] = ()
    after: float | None = None
    error: BaseException | None = None


@contextmanager
def trial(
    name: str,
    rows: Iterable[Mapping[str, Any]],
    params: Mapping[str, Any] | None = None,
    *,
    attempt: int = 1,
    rehearsing: bool = False,
    per_worker: Opener | None = None,
    per_slice: Opener | None = None,
) -> Iterator[list[TriedItem]]:
    """Run the processor of that name once on each row; what it did is there within the block, and undone after it.

    `params` as a door gets them: `InvalidInput` if the form refuses them. `attempt` is the number of the attempt, from
    1; `per_worker` and `per_slice` stand in for what the processor would open.
    """
    processor = get(name)
    processor = replace(
        processor, per_worker=per_worker or processor.per_worker, per_slice=per_slice or processor.per_slice
    )
    cleaned = Params(processor.clean_params(params or {}))
    with undone(), closing(WorkerResources()) as worker, closing(Resources(processor, worker)) as resources:
        processor = replace(processor, function=plain_function(processor, worker))
        payloads, contexts = [dict(row) for row in rows], []
        for position in range(len(payloads)):
            context = TrialContext("trial", str(position), position, attempt, cleaned.for_item())
            context.rehearsing, context.resources = rehearsing, resources
            contexts.append(context)
        yield list(tried_items(processor, payloads, contexts))


class TrialContext(ItemContext):
    """Steps are remembered for the length of the item only, in memory."""

    def once(self, name: str, function: Callable[[], Any]) -> Any:
        if inspect.iscoroutinefunction(function):
            return function()
        return json.loads(outcomes.encode_result(function()))


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


def tried_items(
    processor: Processor, payloads: list[dict[str, Any]], contexts: list[TrialContext]
) -> Iterator[TriedItem]:
    """One attempt at each row; those of a processor that takes many are tried as a chunk is."""
    items = [claimed_of(payload, context) for payload, context in zip(payloads, contexts, strict=True)]
    tried = tried_together(processor, items, contexts) if processor.many and len(items) > 1 else {}
    for payload, context, item in zip(payloads, contexts, items, strict=True):
        yield described(payload, tried.get(item.id) or tried_item(processor, item, context))


def claimed_of(payload: dict[str, Any], context: TrialContext) -> Claimed:
    stored = outcomes.encode_json(payload)
    return Claimed(context.position, context.position, context.item_key, stored, context.attempt - 1, 0, 0, None)


def tried_together(processor: Processor, items: list[Claimed], contexts: list[TrialContext]) -> dict[int, Outcome]:
    """Outcomes by position; none if a call raised, so that the rows are tried one by one."""

    def attempt(items: list[Claimed]) -> list[Outcome]:
        started_at = clock.machine_now()
        payloads = [item.payload() for item in items]
        with transaction.atomic():
            given = processor.function(payloads, [contexts[item.position] for item in items])
            answers = answers_of(given, len(items))
            refuse_broken_transaction()
            attempted = [
                outcome_of(processor, item, partial(result_of, answer), contexts[item.position], started_at)
                for item, answer in zip(items, answers, strict=True)
            ]
            transaction.set_rollback(any(outcome.status != "SUCCEEDED" for outcome in attempted))
        return attempted

    try:
        return settle(items, attempt)
    except Exception:
        return {}


def tried_item(processor: Processor, item: Claimed, context: TrialContext) -> Outcome:
    def run() -> Any:
        with transaction.atomic():
            result = processor.run_item(item.payload(), context)
            outcomes.encode_result(result)
            refuse_broken_transaction()
            return result

    return outcome_of(processor, item, run, context, clock.machine_now())


def refuse_broken_transaction() -> None:
    if connection.needs_rollback:
        raise TransactionBroken(TransactionBroken.__doc__)


def outcome_of(
    processor: Processor, item: Claimed, run: Callable[[], Any], context: TrialContext, started_at: datetime
) -> Outcome:
    """What the item's result, or the exception in its place, comes to."""
    try:
        return outcomes.succeeded(item, run(), started_at, SharedSources())
    except SkipItem as skip:
        return outcomes.skipped(item, skip.reason, started_at, SharedSources())
    except Exception as error:
        return outcomes.failed(
            item,
            error,
            processor=processor,
            max_attempts=processor.max_attempts,
            started_at=started_at,
            worker="trial",
            params=context.params,
        )


def described(payload: dict[str, Any], outcome: Outcome) -> TriedItem:
    failure = outcome.failure
    if failure is None or failure.text is None:
        result = None if outcome.result_json is None else json.loads(outcome.result_json)
        return TriedItem(payload, str(outcome.status), result, outcome.message)
    return TriedItem(
        payload,
        str(outcome.status),
        message=outcome.message,
        code=failure.text.classification.code,
        category=failure.text.classification.category,
        fields=tuple(getattr(failure.exception, "fields", ())),
        after=getattr(failure.exception, "after", None),
        error=failure.exception,
    )
