"""What detectors read and what they say: values only, no models."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor
from typing import Any, Literal

from errors.detectors.statistics import llr

FALSE_ALARM_BUDGET = 0.01
"""The chance of any false alarm in a batch, over all detectors and streams."""
DETECTORS_SHARING = 5
MIN_ALPHA = 1e-5
EVERYTHING = "any"
"""The name of the stream of all failures."""

Confidence = Literal["strong", "moderate", "weak", "chance"]


@dataclass(frozen=True, slots=True)
class Stream:
    """Failures of one kind: the sorted indices of the items that failed finally in that way."""

    name: str
    failed: Sequence[int]


@dataclass(frozen=True, slots=True)
class Summary:
    """A batch as detectors see it: the `total` items of it that have an outcome, which are named by their positions.

    `positions` are those, sorted; None where they are 0..total-1: nothing is missing.
    `order` lists the items by when their first attempt began, None where that is the input's order; `rows` are
    payloads by index, and if those are not of all items, `sample` names the ones drawn whatever became of them;
    `sizes` are chunk and page sizes worth a look; `peek` counts the looks at a batch that still runs; `started` says
    when first attempts began, to put a time to a stretch, and `ended` when those that failed were over.
    """

    total: int
    streams: Sequence[Stream]
    order: Sequence[int] | None = None
    rows: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    sample: frozenset[int] | None = None
    sizes: Sequence[int] = ()
    peek: int = 0
    started: Mapping[int, datetime] = field(default_factory=dict)
    ended: Mapping[int, datetime] = field(default_factory=dict)
    positions: Sequence[int] | None = None

    def ranks_of(self, items: Sequence[int]) -> Sequence[int]:
        """The places of these items among those looked at: what waits between two of them sets nothing apart."""
        if self.positions is None:
            return items
        return [bisect_left(self.positions, item) for item in items]

    def item_at(self, rank: int) -> int:
        return rank if self.positions is None else self.positions[rank]

    @property
    def failures(self) -> Sequence[int]:
        """All that failed in any way, as far as there is a stream of them."""
        return next((stream.failed for stream in self.streams if stream.name == EVERYTHING), ())

    @property
    def alpha(self) -> float:
        """What one detector may spend on one stream; 1/(k(k+1)) of it at the k-th look, which sums up to all of it."""
        alpha = max(MIN_ALPHA, FALSE_ALARM_BUDGET / (DETECTORS_SHARING * max(1, len(self.streams))))
        return alpha / (self.peek * (self.peek + 1)) if self.peek else alpha


@dataclass(frozen=True, slots=True)
class Finding:
    """A pattern: `failed` of `size` items failed here, `others_failed` of `others` elsewhere.

    `text` names it shortly, `phrase` is what its items are called in a sentence. `p` is adjusted for everything that
    was tried; `items` are the failed items it covers; `also` names other ways to see the same items.
    """

    detector: str
    stream: str
    text: str
    phrase: str
    failed: int
    size: int
    others_failed: int
    others: int
    p: float
    llr: float
    confidence: Confidence
    items: frozenset[int] = field(repr=False)
    where: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    note: str = ""
    seen: frozenset[int] | None = field(default=None, repr=False)
    """Where only a sample was looked at, the failed items in it; None: all."""

    @property
    def precision(self) -> float:
        return self.failed / self.size if self.size else 0.0

    @property
    def by_chance(self) -> bool:
        return self.confidence == "chance"

    @property
    def sentence(self) -> str:
        """Natural frequencies: here, and everywhere else."""
        elsewhere = self.others_failed / self.others if self.others else 0.0
        stated = (
            f"{self.failed:,} of the {self.size:,} {self.phrase} failed ({percent(self.precision)}). "
            f"Of the other {self.others:,}, {self.others_failed:,} failed ({percent(elsewhere)})."
        )
        if self.by_chance:
            return f"{stated} This may be chance."
        if "fields" not in self.where:
            return stated
        coverage = self.failed / (self.failed + self.others_failed)
        counted = "all failures" if self.stream == EVERYTHING else "the failures counted"
        return f"{stated} {percent(coverage)} of {counted} have {self.text}."

    def as_dict(self) -> dict[str, Any]:
        """The finding as it is stored and as REST shows it, without the items."""
        return {
            "detector": self.detector,
            "stream": self.stream,
            "text": self.text,
            "sentence": self.sentence,
            "failed": self.failed,
            "size": self.size,
            "others_failed": self.others_failed,
            "others": self.others,
            "p": self.p,
            "confidence": self.confidence,
            "also": list(self.also),
            "note": self.note,
            "where": {name: list(value) if isinstance(value, tuple) else value for name, value in self.where.items()},
        }


Detector = Callable[[Summary], list[Finding]]


def confidence(p: float, failed: int, alpha: float = 1.0) -> Confidence:
    """How sure a finding is, by its adjusted p; one above `alpha` may be chance."""
    if p > alpha:
        return "chance"
    if p <= 1e-6 and failed >= 20:
        return "strong"
    return "moderate" if p <= 1e-3 and failed >= 10 else "weak"


def build_finding(
    detector: str,
    stream: Stream,
    total: int,
    items: Sequence[int],
    size: int,
    p: float,
    text: str,
    phrase: str,
    *,
    alpha: float = 1.0,
    **where: Any,
) -> Finding:
    """A finding about `size` items of which `items` failed, counted against all the others."""
    failed, failures = len(items), len(stream.failed)
    return Finding(
        detector=detector,
        stream=stream.name,
        text=text,
        phrase=phrase,
        failed=failed,
        size=size,
        others_failed=failures - failed,
        others=total - size,
        p=min(1.0, p),
        llr=llr(failed, size, failures, total),
        confidence=confidence(p, failed, alpha),
        items=frozenset(items),
        where=where,
    )


def span(start: datetime, end: datetime) -> str:
    """Two moments as text, as exactly as it takes to tell them apart."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    form = "%H:%M:%S" if start.date() == end.date() else "%Y-%m-%d %H:%M:%S"
    texts = [f"{at:{form}}" for at in (start, end)]
    if texts[0] == texts[1]:
        texts = [f"{at:{form}}.{at.microsecond // 1000:03}" for at in (start, end)]
    return f"{texts[0]} to {texts[1]} UTC"


def percent(share: float) -> str:
    """Rounded, but only all of them are 100%, and only none is 0%."""
    if 0.995 <= share < 1:
        return f"{floor(1000 * share) / 10}%"
    if 0 < share < 0.0005:
        return "under 0.1%"
    return f"{100 * share:.0f}%" if share >= 0.1 or share == 0 else f"{100 * share:.1f}%"
