"""What the failures have in common, as cards that are marked with a letter on the desk's pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from string import ascii_uppercase
from typing import Any

from batches.models import Batch
from batches.pages.item_list import items_between
from batches.wording import quantity
from errors.desk.rate_bars import RateBar, rate_bars
from errors.findings import IN_PAGE_LIMIT, findings_of
from errors.findings.counted import counted_text
from errors.models import ErrorGroup

LEAST_CHANCE = 1e-9
"""What is rarer is said to be so, and no number is given."""


@dataclass(frozen=True, slots=True)
class FindingCard:
    """One finding with its letter."""

    letter: str
    finding: Mapping[str, Any]
    """As the report and REST show it."""
    counted: str
    """Which failures it is about, if not all of them: its numbers leave the others out."""
    chance: str
    """How often chance alone would do as much, in words; empty for what may be chance."""
    p_value: str
    """The chance of it, in digits that mean something."""
    positions: str
    """From where to where its items stand; empty if they do not stand together."""
    items_url: str
    bars: list[RateBar]

    @property
    def also(self) -> str:
        """Other ways to see the same items; the same field seen in another way is none."""
        fields = self.finding["where"].get("fields", ())
        about = tuple(f"{prefix}{field} " for field in fields for prefix in ("", "length of ", "type of "))
        return "; ".join(text for text in self.finding["also"] if not about or not text.startswith(about))

    @property
    def day(self) -> str:
        """When it happened, as far as that is known."""
        return str(self.finding["where"].get("from", ""))

    @property
    def strength(self) -> str:
        confidence: str = self.finding["confidence"]
        return "may be chance" if confidence == "chance" else confidence


def finding_cards(batch: Batch) -> list[FindingCard]:
    """The strongest first; of a large batch those that a worker has stored."""
    rows = findings_of(batch, up_to=IN_PAGE_LIMIT)
    groups = ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in={row["stream"] for row in rows})
    titles = dict(groups.values_list("fingerprint", "title"))
    return [finding_card(batch, place, row, titles) for place, row in enumerate(rows)]


def finding_card(batch: Batch, place: int, finding: Mapping[str, Any], titles: Mapping[str, str]) -> FindingCard:
    """`titles` names the groups by fingerprint."""
    first, last = finding["where"].get("start"), finding["where"].get("end")
    stand_together = first is not None and last is not None
    return FindingCard(
        letter=ascii_uppercase[place % 26],
        finding=finding,
        counted=counted_text(finding["stream"], titles),
        chance="" if finding["confidence"] == "chance" else chance_text(finding["p"], finding["where"]),
        p_value=p_text(finding["p"]),
        positions=f"{first:,} to {last:,}" if stand_together else "",
        items_url=items_between(batch, first, last) if stand_together else "",
        bars=rate_bars(finding, "here", "elsewhere"),
    )


def chance_text(p: float, where: Mapping[str, Any]) -> str:
    """`about 1 in 10,000, after looking at 14 fields`; rounded to one digit."""
    odds = 1 / max(p, LEAST_CHANCE)
    size = 10 ** floor(log10(odds))
    rarely = f"about 1 in {round(odds / size) * size:,}"
    if p <= LEAST_CHANCE:
        rarely = f"less than 1 in {1 / LEAST_CHANCE:,.0f}"
    fields = where.get("fields_tried")
    return f"{rarely}, after looking at {quantity(fields, 'field')}" if fields else rarely


def p_text(p: float) -> str:
    """Of what is smaller than a double can tell, only that it is."""
    if p < 1e-300:
        return "less than 1e-300"
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}".replace("e-0", "e-")
