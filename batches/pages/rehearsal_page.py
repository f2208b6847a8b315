"""The page of a rehearsal: what would become of the items, what would fail, and the retry that it was about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batches.extensions import retry_address
from batches.models import Batch, Rehearsal
from batches.wording import every, quantity

State = Rehearsal.State
COUNTS = {"would succeed": "succeeded", "would be skipped": "skipped", "would fail": "failed"}


@dataclass(frozen=True, slots=True)
class RehearsalPage:
    """What it has reported so far."""

    batch: Batch
    number: int
    is_running: bool
    sentence: str
    extent: str
    """How many items were rehearsed, if it is over and those are not all; else empty."""
    groups: Sequence[Mapping[str, Any]]
    counts: Sequence[tuple[str, int]]
    actor: str
    retry_url: str
    """The page on which the same items are retried; empty while it runs, or where there is none."""


def rehearsal_page(batch: Batch, rehearsal: Rehearsal) -> RehearsalPage:
    report = rehearsal.to_dict()
    done = f"{report['done']:,} of {quantity(report['items'], 'item')}"
    is_cut = rehearsal.state != State.RUNNING and report["done"] < report["items"]
    return RehearsalPage(
        batch=batch,
        number=rehearsal.number,
        is_running=rehearsal.state == State.RUNNING,
        sentence=sentence(report),
        extent=f"{done} were rehearsed." if is_cut else "",
        groups=report["groups"],
        counts=[(label, report[name]) for label, name in COUNTS.items()],
        actor=rehearsal.actor,
        retry_url=retry_address(batch, rehearsal.scope) if rehearsal.state == State.DONE else "",
    )


def sentence(report: Mapping[str, Any]) -> str:
    """What became of the items so far; with a scope, they were failed ones that are to be retried."""
    done, failed = report["done"], report["failed"]
    if report["state"] == State.RUNNING:
        return f"Rehearsing: {done:,} of {quantity(report['items'], 'item')} so far."
    if report["state"] == State.CANCELLED:
        return f"Ended early: {report['note']}"
    if report["scope"]:
        again = f" and {failed:,} would fail again" if failed else ""
        return f"Of {done:,} rehearsed, {report['succeeded'] + report['skipped']:,} would recover{again}."
    if failed:
        return f"{failed:,} of {quantity(done, 'item')} would fail ({report['error_rate']:.1f} %)."
    return f"{every(done, 'item')} would succeed."
