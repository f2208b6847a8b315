"""Exports from the desk's menu, with the keyboard alone, and what was taken on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.helpers.browser import serious_faults, sign_in
from tests.helpers.failed_rows import table
from tests.helpers.portal import Portal


def test_the_menu_hands_out_what_its_page_shows(page: Any, portal: Portal, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("sku,price\n" + "".join(f"A-{n},{n if n % 2 else 'none'}\n" for n in range(20)))
    schema = json.dumps({"properties": {"price": {"pattern": "^[0-9]+$"}}})
    ran = portal.manage("batch", "run", "check_rows", str(rows), "--id", "taken", "--param", f"schema={schema}")
    assert ran.returncode == 1, ran.stderr
    sign_in(page, portal, "viewer")
    page.goto(f"{portal.url}/admin/errors/errorgroup/desk/taken/?positions=0-9")
    menu = page.locator("[data-menu]").filter(has_text="Export")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(menu).to_contain_text("Only what the filter of this page meets")
    assert serious_faults(page) == []
    page.keyboard.press("Escape")
    expect(menu.locator("table")).to_be_hidden()
    page.keyboard.press("Enter")
    with page.expect_download() as started:
        page.get_by_role("link", name="Rows to correct as CSV").press("Enter")
    header, *found = table(Path(started.value.path()).read_bytes())
    assert header == ["sku", "price", "_error_code", "_error_message", "_item_key", "_attempts"]
    assert [row[:2] for row in found] == [[f"A-{n}", "none"] for n in range(0, 10, 2)]
    assert started.value.suggested_filename.startswith("batch-taken-errors-")
    page.get_by_role("link", name="Exports of this batch").press("Enter")
    expect(page.get_by_role("row", name="Rows to correct as CSV")).to_contain_text("viewer")
    assert serious_faults(page) == []
