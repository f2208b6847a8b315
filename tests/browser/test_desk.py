"""The desk in a real browser: pictures that open what they show, keys, filters to share, and nothing jumps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.helpers.airports import let_it_run, submitted_airports
from tests.helpers.browser import sign_in
from tests.helpers.places import SAMPLE, SCHEMA
from tests.helpers.portal import Portal

SHIFTS = """
new PerformanceObserver((list) => {
  for (const one of list.getEntries())
    if (!one.hadRecentInput) sessionStorage.shifted = Number(sessionStorage.shifted ?? 0) + one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
DONE = """() => Number(document.querySelector("[data-picture=map] canvas")?.getAttribute("aria-label")
  .match(/([0-9,]+) done/)?.[1].replace(",", "") ?? 0)"""
MOST_SHIFT = 0.02
"""Over all pages of a test; what browsers call good is 0.1 on one of them."""

SLOW_NETWORK = {"offline": False, "latency": 100, "downloadThroughput": 40_000, "uploadThroughput": -1}
"""Milliseconds, and bytes a second."""


@pytest.fixture(scope="module")
def failed(portal: Portal) -> str:
    name = ("batch", "run", "check_rows", str(SAMPLE), "--id", "seen-on-the-desk", "--key-column", "iata")
    assert portal.manage(*name, "--param", f"schema=@{SCHEMA}").returncode == 1
    return "seen-on-the-desk"


@pytest.fixture
def operator(page: Any, portal: Portal) -> Iterator[Any]:
    page.add_init_script(SHIFTS)
    sign_in(page, portal, "operator")
    yield page
    assert float(page.evaluate("sessionStorage.shifted ?? 0")) < MOST_SHIFT


def desk(portal: Portal, batch: str) -> str:
    return f"{portal.url}/admin/errors/errorgroup/desk/{batch}/"


def test_it_says_what_a_column_holds_and_opens_it(operator: Any, portal: Portal, failed: str) -> None:
    operator.goto(desk(portal, failed))
    drawn = operator.locator("[data-picture=map] canvas")
    expect(drawn).to_have_attribute("aria-label", re.compile("Batch map of 3,376 items by position: .*54 failed"))
    here = operator.locator("[data-picture=map] [data-here]")
    here.focus()
    operator.keyboard.press("End")
    expect(here).to_contain_text("to 3,375:")
    operator.keyboard.press("Home")
    operator.keyboard.press("Shift+ArrowRight")
    expect(here).to_contain_text("failed")
    said, count = here.inner_text(), int(re.findall(r"(\d+) of \d+ failed", here.inner_text())[0])
    expect(operator.locator("[data-picture=map] [data-said]")).to_have_text(said)
    operator.keyboard.press("Enter")
    expect(operator.locator("#result_list tbody tr")).to_have_count(count)

    operator.goto(desk(portal, failed))
    box = operator.locator("[data-picture=timeline] [data-strip]")
    errors = int(operator.locator("[data-bin]").first.get_attribute("data-n"))
    operator.locator("[data-bin] rect").first.click()
    expect(operator.locator("tr[data-row]")).to_have_count(min(100, errors))
    expect(box).to_have_count(0)
    expect(operator.locator(".bp-chips")).to_contain_text("since")


def test_nothing_jumps_while_a_page_arrives_bit_by_bit(operator: Any, portal: Portal, failed: str) -> None:
    operator.goto(desk(portal, failed))
    group = operator.locator("#groups [data-row] th a").first.get_attribute("href")
    browser = operator.context.new_cdp_session(operator)
    browser.send("Network.enable")
    browser.send("Network.emulateNetworkConditions", SLOW_NETWORK)
    for path in (group, f"/admin/batches/item/?batch__id__exact={failed}", "/admin/errors/errorgroup/desk/"):
        operator.evaluate("sessionStorage.shifted = 0")
        operator.goto(portal.url + path)
        assert (path, float(operator.evaluate("sessionStorage.shifted"))) == (path, 0)


def test_it_is_worked_with_keys(operator: Any, portal: Portal, failed: str) -> None:
    operator.goto(desk(portal, failed))
    operator.keyboard.press("?")
    expect(operator.locator("dialog.bp-keys")).to_be_visible()
    operator.keyboard.press("Escape")
    operator.keyboard.press("/")
    operator.keyboard.type("elevation")
    operator.keyboard.press("Enter")
    operator.wait_for_url(re.compile("text=elevation"))
    rows = operator.locator("#groups tr[data-row]")
    found = rows.count()
    operator.goto(operator.url)
    expect(rows).to_have_count(found)
    operator.goto(desk(portal, failed))
    for key in ("j", "j", "k"):
        operator.keyboard.press(key)
    expect(rows.first.locator("th a")).to_be_focused()
    operator.keyboard.press("r")
    operator.wait_for_url(re.compile("/retry/"))
    expect(operator.get_by_role("heading", level=1, name=re.compile("Retry .*[?]"))).to_be_visible()
    operator.go_back()
    operator.keyboard.press("j")
    operator.keyboard.press("Enter")
    operator.wait_for_url(re.compile("/group/"))


@pytest.mark.full
def test_it_says_what_to_do_when_nothing_matches(operator: Any, portal: Portal, failed: str) -> None:
    operator.goto(f"{desk(portal, failed)}?text=nothing+like+it")
    operator.get_by_role("link", name="Show all groups").click()
    expect(operator.locator("#groups tr[data-row]").first).to_be_visible()
    operator.goto(f"{desk(portal, failed)}records/?field=iata")
    expect(operator.get_by_role("alert").filter(has_text="field:")).to_contain_text("such as country=DE")


def test_the_map_of_a_moving_batch_follows_it(operator: Any, portal: Portal) -> None:
    name = submitted_airports(portal, "mapped-live")
    operator.goto(f"{portal.url}/admin/batches/batch/{name}/change/")
    operator.wait_for_function(f"() => ({DONE})() > 100")
    first = operator.evaluate(DONE)
    operator.wait_for_function(f"than => ({DONE})() > than", arg=first)
    let_it_run(portal, name)
    expect(operator.locator(".bp-pill").first).to_contain_text("Completed")
    drawn = operator.locator("[data-picture=map] canvas")
    expect(drawn).to_have_attribute("aria-label", re.compile("3,322 done, 54 failed"))
