"""What is written about the code is what the code has: settings, commands, hooks, detectors, REST fields, paths."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from batches.extensions import Extension
from errors.detectors import DETECTORS
from errors.detectors.findings import DETECTORS_SHARING
from tests.build import reference

ROOT = reference.ROOT
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", reference.PAGES)
def test_it_is_what_make_docs_writes(name: str) -> None:
    assert (ROOT / name).read_text() == reference.PAGES[name](), f"{name} is behind the code: make docs"


def test_it_has_every_setting_that_the_code_reads() -> None:
    assert reference.settings_read() | {"PORTAL_SECRET_…"} == set(reference.SETTINGS)


def test_it_says_what_every_field_holds() -> None:
    _, _, fields = reference.rest_page().partition("## Fields")
    assert not re.findall(r"^\| `.*\|  \|$", fields, re.MULTILINE)


def test_it_says_what_every_argument_is_for() -> None:
    rows = re.findall(r"^\| `.*", reference.command_line_page(), re.MULTILINE)
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []


def test_it_tells_of_every_hook() -> None:
    hooks = [field.name for field in fields(Extension) if field.name != "name"]
    assert hooks == first_cells(ROOT / "docs" / "architecture.md", "Hooks")


def test_it_tells_of_every_detector() -> None:
    assert [detect.__name__ for detect in DETECTORS] == first_cells(ROOT / "docs" / "architecture.md", "Detectors")


def test_it_shares_the_chance_of_a_false_alarm_among_as_many_detectors_as_there_are() -> None:
    assert len(DETECTORS) == DETECTORS_SHARING


def first_cells(page: Path, heading: str) -> list[str]:
    section = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)`", section, re.MULTILINE)


def test_it_lets_a_stranger_read_the_readme_in_three_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 110


PATH = re.compile(r"(?<![\w/.:-])(?:batchportal|batches|errors|tests|docs|static|templates|samples)/[\w./-]*\w")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_it_names_no_path_that_is_not_here(page: Path) -> None:
    text = page.read_text()
    named = {path for code in re.findall(r"`([^`\n]+)`", text) for path in PATH.findall(code)}
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
        for link in link
        if link and not link.startswith(("http", "#", "mailto"))
    }
    missing = [path for path in sorted(named) if "NAME" not in path and not (ROOT / path).exists()]
    missing += [str(path) for path in sorted(linked) if not path.exists()]
    assert missing == []
