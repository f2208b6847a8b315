"""The page of an error group in a real browser: nothing that failed items say runs, and the acts work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.corpus.scripts import SCRIPTS
from tests.helpers.browser import sign_in
from tests.helpers.portal import Portal

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
FIRST_FAILED = 1
SCHEMA = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}
BATCH = "hostile-rows"


@pytest.fixture(scope="module")
def group(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the group of a batch whose rows are hostile."""
    folder: Path = tmp_path_factory.mktemp("rows")
    rows = [{"name": HOSTILE, "price": -n if n % 2 else n, HOSTILE: n} for n in range(40)]
    for place, text in enumerate(SCRIPTS):
        rows[FIRST_FAILED] |= {f"v{place}": text, text: place}
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    schema = f"schema=@{folder / 'schema.json'}"
    ran = portal.manage("batch", "run", "check_rows", str(folder / "rows.json"), "--id", BATCH, "--param", schema)
    assert ran.returncode == 1, ran.stderr
    report = json.loads(portal.manage("batch", "errors", BATCH, "--json").stdout)
    return f"/admin/errors/errorgroup/desk/{BATCH}/group/{report['groups'][0]['fingerprint']}/"


def test_it_shows_one_failure_and_runs_nothing_of_it(page: Any, portal: Portal, group: str) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    sign_in(page, portal, "operator")
    page.goto(portal.url + group)
    expect(page.locator("#payload")).to_contain_text(HOSTILE)
    expect(page.locator("#payload mark")).to_contain_text("price")
    for tab in ("Items", "What differs", "Before and after", "History and notes"):
        page.get_by_role("navigation", name="Parts of this page").get_by_role("link", name=tab).click()
        expect(page.locator(".bp-tabs [aria-current]")).to_have_text(tab)
    page.goto(portal.url + group)
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_role("button", name="Copied").or_(page.get_by_role("button", name="Selected"))).to_be_visible()
    page.goto(f"{portal.url}/admin/batches/batch/{BATCH}/change/")
    page.goto(f"{portal.url}/admin/batches/item/?batch__id__exact={BATCH}&position__gte={FIRST_FAILED}")
    page.locator("#result_list a[href*='/batches/item/']").first.click()
    expect(page.locator("body")).to_contain_text(SCRIPTS[0])
    assert dialogs == []


@pytest.mark.full
def test_it_is_ignored_with_its_options_and_taken_back(page: Any, portal: Portal, group: str) -> None:
    sign_in(page, portal, "operator")
    page.goto(portal.url + group)
    page.get_by_role("link", name="Ignore…").click()
    page.get_by_label("Until more items have it than").check()
    page.get_by_role("button", name="Ignore").click()
    expect(page.get_by_text("Say how many.")).to_be_visible()
    page.get_by_label("Items", exact=True).fill("500")
    page.get_by_label("Why (shown in the history)").fill("known since monday")
    page.get_by_role("button", name="Ignore").click()
    expect(page.locator(".bp-state")).to_contain_text("until more than 500 items have it (0 so far) by operator")
    page.get_by_role("link", name="Undo: reopen").click()
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".bp-state")).to_contain_text("reopened by operator")
