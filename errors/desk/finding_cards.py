"""What the failures have in common, as cards that are marked with a letter on the desk's pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from batches.models import Batch
from batches.pages.item_list import items_between
from errors.findings import IN_PAGE_LIMIT, findings_of
from errors.findings.counted import counted_text
from errors.models import ErrorGroup


@dataclass(frozen=True, slots=True)
class FindingCard:
    """One finding with its letter."""

    letter: str
    finding: Mapping[str, Any]
    """As the report and REST show it."""
    counted: str
    """Which failures it is about, if not all of them: its numbers leave the others out."""
    p_value: str
    """The chance of it, in digits that mean something."""
    positions: str
    """From where to where its items stand; empty if they do not stand together."""
    items_url: str

    @property
    def also(self) -> list[str]:
        """Other ways to see the same items; the same field seen in another way is none."""
        fields = self.finding["where"].get("fields", ())
        about = tuple(f"{prefix}{field} " for field in fields for prefix in ("", "length of ", "type of "))
        return [text for text in self.finding["also"] if not about or not text.startswith(about)]

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
        p_value=p_text(finding["p"]),
        positions=f"{first:,} to {last:,}" if stand_together else "",
        items_url=items_between(batch, first, last) if stand_together else "",
    )


def p_text(p: float) -> str:
    """Of what is smaller than a double can tell, only that it is."""
    if p < 1e-300:
        return "less than 1e-300"
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}".replace("e-0", "e-")
