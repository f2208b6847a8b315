"""What a run under fire is judged by: its tables, each item's outcome, its calls, and whether its acts landed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
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
)
DEATHS = 4  # of workers, that one poisonous item may cost
POISONS = ("segfault", "hang", "memory")
COST = {"segfault": "QUARANTINED", "hang": "QUARANTINED", "memory": "FAILED"}


def faults_of(run: Run, plan: list[str]) -> list[str]:
    """Every broken promise; empty when all hold."""
    from batches import operations
    from tests.chaos import checker

    found = faults_of_calls(run) if run.options.processor == "call" else checker.violations(run.batch_id)
    found += [f"verify: {fault}" for fault in operations.verify(run.batch_id)]
    found += faults_of_outcomes(run)
    if plan and sum(run.landed.values()) < 0.9 * len(plan):
        found.append(f"unknown: {sum(run.landed.values())} of {len(plan)} acts landed")
    found += unfired(plan, run.landed)
    found += missing_events(run.landed, happened(), run.options.processor)
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


def faults_of_calls(run: Run) -> list[str]:
    """Calls to the outside: none missing, one key an item, and no more repeats than faults."""
    lines = [line.split() for line in run.portal.calls.read_text().splitlines()]
    times = Counter(position for position, _ in lines)
    repeats = sum(times.values()) - len(times)
    faults = sum(number * repeats_of(run, act) for act, number in run.landed.items())
    run.told = f", {repeats} calls repeated"
    found = ["an item had two keys"] if len({key for _, key in lines}) != len(times) else []
    if missing := run.options.items - len(times):
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
    wrong = sorted((planned | expected).items() ^ lost.items())
    found = [f"item {position}: {status} is not as it should be" for position, status in wrong[:10]]
    if run.options.poison:
        run.told += f", {run.portal.deaths()} workers died"
        if not run.landed and run.portal.deaths() > DEATHS * run.options.poison:
            found.append(f"{run.portal.deaths()} workers died of {run.options.poison} items")
    return found


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
