"""What a run under fire is judged by: its tables, each item's outcome, its calls, and whether its acts landed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.run import Run

ENDS_WITHIN = 120.0
"""Seconds after the last act, with nothing started by hand."""
EVENTS = (
    # acts, how many of them, what one of them at least must have led to, with which processor only
    (("kills", "rescues"), 3, ("worker_deaths process",), ""),
    (("kills", "rescues"), 3, ("lease_takeovers unclean",), ""),
    (("freezes", "thaws"), 10, ("fence_rejections",), "ledger"),
    (("disconnects", "replies"), 10, ("chunk_retries",), "ledger"),
    (("kills",), 20, ("external_repeats",), "call"),
    (("kills",), 10, ("unknown_outcomes",), "ask"),
    (("deploys",), 5, ("partial_chunks",), "ledger"),
)
WRONG_BY = timedelta(minutes=30)
"""What a clock that was moved differs by, in some process."""
DEATHS = 4  # of workers, that one poisonous item may cost
POISONS = ("segfault", "hang", "memory")
COST = {"segfault": "QUARANTINED", "hang": "QUARANTINED", "memory": "FAILED"}


def faults_of(run: Run, plan: list[str]) -> list[str]:
    """Every broken promise; empty when all hold."""
    from batches import operations
    from tests.chaos import checker

    external = run.options.processor in ("call", "ask")
    if run.options.processor == "ask":
        decide_unknown(run)
    found = faults_of_calls(run) if external else checker.violations(run.batch_id)
    found += [f"verify: {fault}" for fault in operations.verify(run.batch_id)]
    found += faults_of_outcomes(run)
    if plan and sum(run.landed.values()) < 0.9 * len(plan):
        found.append(f"unknown: {sum(run.landed.values())} of {len(plan)} acts landed")
    found += unfired(plan, run.landed)
    counted = happened()
    found += missing_events(run.landed, counted, run.options.processor)
    found += without_trace(run.landed, lambda name: name not in TRACES or TRACES[name](run, counted))
    if run.aftermath > ENDS_WITHIN:
        found.append(f"{run.aftermath:.0f} s after the last act it had not ended; {ENDS_WITHIN:.0f} s are allowed")
    return found


def unfired(plan: list[str], landed: Mapping[str, int]) -> Iterator[str]:
    """Acts that the run was told to do, and of which not one was done: it would pass idly."""
    for name, times in Counter(plan).items():
        if not landed.get(name):
            yield f"unfired: {name} was to be done {times} times, and never was"


def happened() -> dict[str, float]:
    """By event, and by event and label, how often the engine counted it."""
    from batches.models import Tally

    counted = Counter[str]()
    for name, label, count in Tally.objects.values_list("name", "labels", "count"):
        counted.update({name: count, f"{name} {label}": count} if label else {name: count})
    return dict(counted)


def missing_events(landed: Mapping[str, int], counted: Mapping[str, float], processor: str) -> Iterator[str]:
    """What so many acts must have led to at least once, and did not."""
    for acts, times, events, only in EVENTS:
        done = sum(landed.get(name, 0) for name in acts)
        if done >= times and only in ("", processor) and not any(counted.get(event) for event in events):
            yield f"idle: after {done} {' and '.join(acts)} nothing was counted as {' or '.join(events)}"


def without_trace(landed: Mapping[str, int], has_trace: Callable[[str], bool]) -> Iterator[str]:
    """Acts that are said to be done, and left nothing behind that tells of them."""
    for name, times in landed.items():
        if times and not has_trace(name):
            yield f"idle: {name} is said to be done {times} times, and nothing tells of it"


def calls(run: Run) -> list[tuple[str, str]]:
    """Position and idempotency key of each call that reached the outside."""
    lines = [line.split() for line in run.portal.calls.read_text().splitlines()]
    return [(position, key) for position, key in lines]


def decide_unknown(run: Run) -> None:
    """What a person does: look at the receiver, and say of each item what became of its call."""
    from batches import operations
    from batches.models import Item

    arrived = {int(position) for position, _ in calls(run)}
    asked = Item.objects.filter(batch=run.batch_id, status="QUARANTINED").order_by("position")
    for key, position in list(asked.values_list("key", "position")):
        run.asked_of[position] = "succeeded" if position in arrived else "failed"
        operations.decide(run.batch_id, key, run.asked_of[position], actor="chaos")


def faults_of_calls(run: Run) -> list[str]:
    """Calls to the outside: none missing, one key an item, and no more repeats than faults; none where a person is to
    be asked."""
    lines = calls(run)
    times = Counter(position for position, _ in lines)
    repeats = sum(times.values()) - len(times)
    asks = run.options.processor == "ask"
    faults = 0 if asks else sum(number * repeats_of(run, act) for act, number in run.landed.items())
    run.told = f", {repeats} calls repeated, {len(run.asked_of)} asked of a person"
    found = ["an item had two keys"] if len({key for _, key in lines}) != len(times) else []
    uncalled = [position for position, outcome in run.asked_of.items() if outcome == "failed"]
    if missing := run.options.items - len(times) - len(uncalled):
        found.append(f"{missing} items were never called")
    if repeats > faults:
        found.append(f"{repeats} repeats by {faults} faults")
    return found


def repeats_of(run: Run, act: str) -> int:
    """How many calls one such act may have repeated: a deploy none, a death one a lane."""
    return {"deploys": 0, "parents": run.options.lanes}.get(act, 1)


def faults_of_outcomes(run: Run) -> list[str]:
    """Each item has the outcome it was made for; a poisonous one costs itself, and few workers."""
    from batches.models import Item

    expected = {at: COST[POISONS[n % len(POISONS)]] for n, at in enumerate(run.poisoned())}
    lost = dict(Item.objects.filter(batch=run.batch_id).exclude(status="SUCCEEDED").values_list("position", "status"))
    planned = dict.fromkeys(range(96, run.options.items, 97), "FAILED")
    decided = {position: outcome.upper() for position, outcome in run.asked_of.items()}
    due = {position: status for position, status in (planned | expected | decided).items() if status != "SUCCEEDED"}
    wrong = sorted(due.items() ^ lost.items())
    found = [f"item {position}: {status} is not as it should be" for position, status in wrong[:10]]
    if run.options.poison:
        run.told += f", {run.portal.deaths()} workers died"
        if not run.landed and run.portal.deaths() > DEATHS * run.options.poison:
            found.append(f"{run.portal.deaths()} workers died of {run.options.poison} items")
    return found


def is_wrong_clocks(run: Run) -> bool:
    """Whether an item was begun by a clock that is far off."""
    from django.db.models import Q
    from django.utils import timezone

    from batches.models import Item

    now = timezone.now()
    far_off = Q(started_at__gt=now + WRONG_BY) | Q(started_at__lt=now - WRONG_BY)
    return Item.objects.filter(far_off, batch=run.batch_id).exists()


def in_history(**conditions: str) -> bool:
    from batches.models import Transition

    return Transition.objects.filter(**conditions).exists()


def columns_added() -> int:
    from tests.chaos import checker

    return int(checker.one("SELECT count(*) FROM information_schema.columns WHERE column_name LIKE 'of_a_release%%'"))


def processes_seen() -> int:
    from batches.models import Worker

    return Worker.objects.count()


Trace = Callable[["Run", Mapping[str, float]], bool]
TRACES: dict[str, Trace] = {
    "parents": lambda run, counted: bool(counted.get("worker_deaths process")),
    "deploys": lambda run, counted: processes_seen() > run.portal.workers + 1,
    "replies": lambda run, counted: run.portal.replies_lost() > 0,
    "crashes": lambda run, counted: run.portal.postgresql is not None and run.portal.postgresql.starts > 1,
    "brokers": lambda run, counted: run.portal.valkey is not None and run.portal.valkey.starts > 1,
    "clocks": lambda run, counted: is_wrong_clocks(run),
    "disks": lambda run, counted: (
        in_history(reason__startswith="storage_full") or bool(counted.get("chunk_retries connection"))
    ),
    "schemas": lambda run, counted: columns_added() > 0,
    "adjustments": lambda run, counted: in_history(verb="adjust", actor="chaos"),
    "pauses": lambda run, counted: in_history(verb="pause", actor="chaos"),
    "cancels": lambda run, counted: in_history(verb="cancel", actor="chaos"),
}
"""By act, what tells that it was done; of others `EVENTS` does. A redelivered message leaves nothing, as it should."""


def figures(run: Run) -> str:
    """How long things took, as half and nearly all of them did."""
    measured = {"pause": run.pauses, "cancel": run.cancels, "rescue": run.rescues, "frozen host": run.thaws}
    measured |= {"deploy": run.deploys, "end of orphans": run.orphans}
    said = [
        f"{name} p50 {percentile(its, 50):.2f} p99 {percentile(its, 99):.2f} max {max(its):.2f} s"
        for name, its in measured.items()
        if its
    ]
    return "".join(f"\n  {line}" for line in said)


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
