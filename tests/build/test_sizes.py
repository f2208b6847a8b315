"""Files stay short enough to be read at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.helpers.places import ROOT

PACKAGES = ("batches", "errors", "batchportal", "tests")
LINES, COLUMNS, README_LINES = 300, 160, 110


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def test_no_module_is_longer_than_300_lines() -> None:
    assert [path for path in modules() if len(path.read_text().splitlines()) > LINES] == []


def test_no_line_of_a_template_is_longer_than_160_characters() -> None:
    long = {
        path: [line for line in path.read_text().splitlines() if len(line) > COLUMNS]
        for path in (ROOT / "templates").rglob("*.html")
    }
    assert {path: lines for path, lines in long.items() if lines} == {}


def test_the_front_page_is_read_in_three_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES
