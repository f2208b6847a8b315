"""The main job, as an operator does it: upload, watch, pause, resume, read what failed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import sign_in
from tests.helpers.places import SAMPLE, SCHEMA
from tests.helpers.portal import Portal


def number(page: Any, name: str) -> int:
    return int(page.locator(f"[data-p={name}]").first.inner_text().replace(",", ""))


def test_it_lets_an_operator_do_the_main_job(page: Any, portal: Portal) -> None:
    sign_in(page, portal, "operator")
    page.get_by_role("link", name="New batch").first.click()
    page.get_by_role("link", name=re.compile("check_rows")).click()
    page.set_input_files("input[name=file]", SAMPLE)
    page.set_input_files("input[name='file.schema']", SCHEMA)
    page.fill("input[name=key_column]", "iata")
    page.fill("input[name=rate]", "60")
    page.get_by_role("button", name="Submit the batch").click()

    expect(page.locator(".bp-pill").first).to_contain_text("Running")
    page.wait_for_function("() => Number(document.querySelector('[data-p=done]').textContent.replace(',', '')) > 50")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".bp-pill").first).to_contain_text("Paused")
    expect(page.locator(".bp-sentence")).to_contain_text("Paused by operator")
    page.evaluate("""async () => {
      const root = document.querySelector("[data-batch]");
      portal.show(root, await (await fetch(root.dataset.progress)).json());
    }""")
    expect(page.locator(".bp-sentence")).to_contain_text("Paused by operator")
    done = number(page, "done")
    assert 50 < done < 3376
    page.reload()
    assert number(page, "done") == done

    batch = page.url.rstrip("/").split("/")[-2]
    assert portal.manage("batch", "adjust", batch, "--rate", "none").returncode == 0
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".bp-pill").first).to_contain_text("Completed")
    expect(page.locator(".bp-sentence")).to_contain_text("54 of 3,376 items failed")
    assert number(page, "failed") == 54
    expect(page.locator("#failures")).to_contain_text("does not match")
    assert portal.manage("batch", "verify", batch).returncode == 0

    page.locator(".bp-count-failed").click()
    expect(page.locator(".paginator")).to_contain_text("54")
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator(".bp-json").first).to_contain_text("iata")


def test_it_shows_what_is_wrong_with_a_file_and_keeps_what_was_typed(page: Any, portal: Portal) -> None:
    sign_in(page, portal, "operator")
    page.goto(f"{portal.url}/admin/batches/batch/add/check_rows/")
    ragged = {"name": "ragged.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n3\n"}
    page.set_input_files("input[name=file]", ragged)
    page.fill("textarea[name='params.schema']", "{}")
    page.fill("input[name=name]", "my rows")
    page.evaluate("window.onerror = null")
    with page.expect_response(re.compile("add/check_rows")) as answer:
        page.get_by_role("button", name="Submit the batch").click()
    assert answer.value.status == 200
    expect(page.locator(".bp-error")).to_contain_text("row 3: the row has 1 field, the header has 2.")
    assert page.input_value("input[name=name]") == "my rows"


@pytest.mark.full
def test_it_gives_a_viewer_no_buttons(page: Any, portal: Portal) -> None:
    sign_in(page, portal, "viewer")
    expect(page.get_by_role("link", name="New batch")).to_have_count(0)
    expect(page.locator("select[name=action]")).to_have_count(0)
