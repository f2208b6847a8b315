"""Sentences say one item, and two items."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batches.wording import every, quantity, quantity_are
from tests.helpers.places import ROOT

NOUNS = "items|errors|rows|fields|keys|columns|times|groups|attempts"
COUNTED = re.compile(rf"\{{(?!MOST|MAX|LARGEST)[^{{}}]*:,\}} (?:\w+ed )?(?:{NOUNS})\b")


def test_a_number_has_its_noun() -> None:
    assert [quantity(n, "item") for n in (0, 1, 2, 1234)] == ["0 items", "1 item", "2 items", "1,234 items"]
    assert [quantity_are(n, "row") for n in (1, 2)] == ["1 row is", "2 rows are"]
    assert [every(n, "item") for n in (1, 2)] == ["The one item", "All 2 items"]


@pytest.mark.parametrize("app", ["batches", "errors"])
def test_no_sentence_counts_one_items(app: str) -> None:
    """What is counted goes through `quantity`; a constant that is greater than one need not."""
    sources: list[Path] = [path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sources
        for line in path.read_text().splitlines()
        if COUNTED.search(line)
    ]

    assert lines == []
