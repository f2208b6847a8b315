"""How many failed here and how many elsewhere, as two bars: what a finding comes down to, at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from errors.detectors.findings import percent

BAR_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class RateBar:
    """How many of some items failed: as a bar out of 1,000, and in numbers."""

    whose: str
    failed: int
    size: int
    percent: str
    width: float


def rate_bars(finding: Mapping[str, Any], here: str, elsewhere: str) -> list[RateBar]:
    """The bar of a finding's items, and that of all others, under these names."""
    return [
        rate_bar(here, finding["failed"], finding["size"]),
        rate_bar(elsewhere, finding["others_failed"], finding["others"]),
    ]


def rate_bar(whose: str, failed: int, size: int) -> RateBar:
    rate = failed / size if size else 0
    return RateBar(whose, failed, size, percent(rate), round(BAR_WIDTH * rate, 1))
