"""The tab of a group's page on what sets its failing items apart from all others: by their payloads, in natural
frequencies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import F

from batches.models import Batch
from batches.wording import quantity
from errors.desk.finding_cards import p_text
from errors.desk.rate_bars import RateBar, rate_bars
from errors.detectors.attributes import attributes
from errors.detectors.findings import EVERYTHING, Stream, Summary
from errors.findings.batch_summary import MIN_FAILED, payloads, settled_positions
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Findings

IN_PAGE_LIMIT = 5_000
"""Batches up to this size are looked at while the page waits; of larger ones it shows what the detectors found."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One condition that the failing items meet more often than others."""

    finding: Mapping[str, Any]
    """As the report and REST show it."""
    bars: list[RateBar]
    evidence: str
    p_value: str


@dataclass(frozen=True, slots=True)
class DiffersTab:
    """The differences, the most telling first; `basis` says what was compared, also where nothing came of it."""

    template: ClassVar[str] = "admin/errors/group/differs.html"

    differences: list[Difference]
    basis: str


def differs_tab(batch: Batch, rollup: BatchGroup) -> DiffersTab:
    if rollup.items < MIN_FAILED:
        needed = f"{MIN_FAILED} failed items are needed to tell a pattern from chance"
        return DiffersTab([], f"{needed}; here are {rollup.items:,}.")
    if batch.total_items <= IN_PAGE_LIMIT and batch.processor:
        return compare_items(batch, rollup.group)
    return stored_differences(batch, rollup.group)


def compare_items(batch: Batch, group: ErrorGroup) -> DiffersTab:
    """This group's items against all others of the batch that have their outcome."""
    failed = failed_positions(batch, group)
    settled = frozenset(settled_positions(batch, dict.fromkeys(failed)))
    failed = [position for position in failed if position in settled]
    if len(failed) < MIN_FAILED:
        needed = f"{MIN_FAILED} are needed to tell a pattern from chance"
        return DiffersTab([], f"{len(failed):,} of its items fail now; {needed}.")
    rows = {position: row for position, row in payloads(batch.items.all()).items() if position in settled}
    summary = Summary(total=len(settled), streams=[Stream(group.fingerprint, failed)], rows=rows)
    fields, others = len({name for row in rows.values() for name in row}), len(settled) - len(failed)
    basis = (
        f"{quantity(len(failed), 'item')} that fail so, against the other {others:,}, by {quantity(fields, 'field')}."
    )
    if len(settled) < batch.total_items:
        basis = f"{basis} Looked at {len(settled):,} of {quantity(batch.total_items, 'item')}."
    return DiffersTab([difference(finding.as_dict()) for finding in attributes(summary)], basis)


def failed_positions(batch: Batch, group: ErrorGroup) -> list[int]:
    """Positions of the items whose last failure is of this kind."""
    last = ErrorRecord.objects.filter(batch=batch, group=group, attempt=F("item__attempts"))
    return sorted(last.filter(item__failed_at__isnull=False).values_list("position", flat=True))


def stored_differences(batch: Batch, group: ErrorGroup) -> DiffersTab:
    """What the detectors found of this group; else of its category, or of all failures."""
    stored = Findings.objects.filter(batch=batch).first()
    if stored is None:
        return DiffersTab([], "The batch is large, and its failures were not looked at yet.")
    about_fields = [finding for finding in stored.findings if "fields" in finding["where"]]
    for stream, whose in (
        (group.fingerprint, "this error"),
        (group.category, f"all {group.category} errors of the batch"),
        (EVERYTHING, "all failures of the batch"),
    ):
        if differences := [difference(finding) for finding in about_fields if finding["stream"] == stream]:
            return DiffersTab(differences, f"The batch is large: this was worked out of {whose} beforehand.")
    return DiffersTab([], "The batch is large, and nothing was found beforehand that sets these items apart.")


def difference(finding: Mapping[str, Any]) -> Difference:
    return Difference(
        finding=finding,
        bars=rate_bars(finding, f"items with {finding['text']}", "all others"),
        evidence=f"{strength(finding['confidence'])}: chance alone does this {frequency_by_chance(finding['p'])}",
        p_value=p_text(finding["p"]),
    )


def strength(confidence: str) -> str:
    return "It may be chance" if confidence == "chance" else f"{confidence.capitalize()} evidence"


def frequency_by_chance(p: float) -> str:
    """How often chance alone would do as much."""
    for least, text in ((1e-6, "less than once in a million batches"), (1e-3, "less than once in a thousand batches")):
        if p <= least:
            return text
    return f"about once in {1 / p:,.0f} batches" if p < 0.5 else "often"
