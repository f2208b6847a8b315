"""Acts on the desk in a real browser: what is confirmed happens while one watches, and can be undone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import serious_faults, sign_in
from tests.helpers.portal import Portal

SCHEMA = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}
BATCH = "acted-upon"


@pytest.fixture(scope="module")
def desk(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A desk with thirty rows that will fail again."""
    folder: Path = tmp_path_factory.mktemp("rows")
    (folder / "rows.json").write_text(json.dumps([{"price": -n if n % 2 else n} for n in range(1, 61)]))
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    schema = f"schema=@{folder / 'schema.json'}"
    ran = portal.manage("batch", "run", "check_rows", str(folder / "rows.json"), "--id", BATCH, "--param", schema)
    assert ran.returncode == 1, ran.stderr
    return f"{portal.url}/admin/errors/errorgroup/desk/{BATCH}/"


def test_a_retry_says_what_its_answers_mean_and_is_watched_to_its_end(page: Any, portal: Portal, desk: str) -> None:
    sign_in(page, portal, "operator")
    page.goto(desk)
    page.get_by_role("link", name="Retry all that match…").click()
    page.get_by_label("Also the 30 that cannot pass unchanged").uncheck()
    expect(page.get_by_role("button", name="Retry 0 items")).to_be_visible()
    page.get_by_label("Also the 30 that cannot pass unchanged").check()
    page.get_by_label("Items that go first").fill("5")
    page.get_by_label("So many of them must recover").fill("4")
    expect(page.get_by_text("5 go first; the rest only if at least 4 of them recover")).to_be_visible()
    page.get_by_text("More: speed, lanes, parameters").click()
    page.get_by_label("Items a second").fill("10")
    expect(page.get_by_text("at most 10 a second: about 3 s")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Retry 30 items").dblclick()
    page.wait_for_url(re.compile(r"/retries/1/$"))
    expect(page.locator("[data-sentence]")).to_contain_text("0 of the 5 items of the canary recovered")
    assert serious_faults(page) == []
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("[data-sentence]")).to_contain_text("Done: 0 of 30 items recovered, 30 failed again.")
    page.get_by_role("link", name="30 failed the same way").click()
    expect(page.locator("#items [data-row]")).to_have_count(30)
    page.goto(desk)
    expect(page.get_by_role("link", name="After the last retry")).to_be_visible()


@pytest.mark.full
def test_groups_are_acknowledged_together_and_taken_back(page: Any, portal: Portal, desk: str) -> None:
    sign_in(page, portal, "operator")
    page.goto(desk)
    page.get_by_role("link", name="Acknowledge…").click()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Acknowledge 1 error group").click()
    expect(page.get_by_text("new → acknowledged")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 error group put back as it was.")).to_be_visible()


def test_items_are_set_aside_and_brought_back(page: Any, portal: Portal, desk: str) -> None:
    sign_in(page, portal, "operator")
    page.goto(desk)
    page.get_by_role("link", name="Set aside…").click()
    page.get_by_role("button", name="Set 30 items aside").click()
    expect(page.get_by_text("30 items set aside.")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Bring them back").click()
    expect(page.get_by_text("Brought back: each of the 30 items is as it was.")).to_be_visible()
    page.goto(desk)
    page.get_by_role("button", name=re.compile("Work (out a plan|it out anew)")).click()
    page.get_by_role("link", name="Run the plan…").click()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Run the plan").click()
    expect(page.locator("#plan")).to_contain_text("It needs corrected rows")
