"""The page "Workers": who works, on what, and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batches import durations
from batches.engine.workforce import WorkerProcess, Workforce, workforce
from batches.lanes.quota_grants import Limits
from batches.lanes.quotas import QuotaState, size_in_words

SERVERS = {"answers": "answers", "away": "does not answer", "embedded": "none: embedded"}


@dataclass(frozen=True, slots=True)
class WorkersPage:
    """`facts`: (name, value) of what is no time; `quotas`: each with its size in words."""

    processes: Sequence[WorkerProcess]
    facts: Sequence[tuple[str, str]]
    force: Workforce
    processors_differ: bool
    quotas: Sequence[tuple[QuotaState, str]]


def workers_page() -> WorkersPage:
    force = workforce()
    alive = [process for process in force.processes if process.alive]
    wait = "–" if force.oldest_wait_seconds is None else durations.rough(force.oldest_wait_seconds)
    facts = (
        ("Processes that work", f"{force.alive:,}"),
        ("Lanes held", f"{force.lanes_held:,}"),
        ("Batches that wait to begin", f"{force.batches_waiting:,}"),
        ("Oldest wait", wait),
        ("Messages in the broker", "–" if force.messages is None else f"{force.messages:,}"),
        ("Broker", SERVERS[force.broker]),
        ("Channel layer", SERVERS[force.channel_layer]),
    )
    sizes = [(quota, size_in_words(Limits(quota.concurrent, quota.per_second))) for quota in force.quotas]
    return WorkersPage(force.processes, facts, force, len({process.code for process in alive}) > 1, sizes)
