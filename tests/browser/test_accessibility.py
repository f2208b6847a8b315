"""Every page against axe-core: no serious violation, in light, in dark, and on a phone.

Of dark and the phone `make test` looks at one, drawn by its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.browser import serious_faults, sign_in, window
from tests.helpers.places import SAMPLE, SCHEMA
from tests.helpers.portal import Portal

BATCH = "seen-by-axe"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
AT_REST = """() => Promise.race([
  new Promise(requestAnimationFrame).then(() => Promise.allSettled(
    document.getAnimations().filter(moving => moving instanceof CSSTransition).map(moving => moving.finished))),
  new Promise(resolve => setTimeout(resolve, 1000)),
])"""
"""Colours are on their way for a moment after the scheme has changed; a window in the background draws no frames."""


@pytest.fixture(scope="module")
def sample(portal: Portal) -> str:
    ran = portal.manage("batch", "run", "check_rows", str(SAMPLE), "--id", BATCH, "--param", f"schema=@{SCHEMA}")
    assert ran.returncode == 1, ran.stderr
    assert portal.manage("batch", "rehearse", BATCH).returncode == 1
    return BATCH


@pytest.fixture
def admin(chromium: Any, portal: Portal) -> Iterator[Any]:
    context = window(chromium)
    page = context.new_page()
    sign_in(page, portal, "operator")
    yield page
    context.close()


def in_light(page: Any, url: str) -> list[str]:
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(url)
    return serious_faults(page)


def in_dark(page: Any, url: str) -> list[str]:
    """Where dark has colours of its own."""
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(url)
    page.emulate_media(color_scheme="dark")
    page.evaluate(AT_REST)
    return serious_faults(page, "color-contrast", "link-in-text-block")


def on_a_phone(page: Any, url: str) -> list[str]:
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)
    page.goto(url)
    page.set_viewport_size(PHONE)
    page.evaluate(AT_REST)
    return serious_faults(page)


Look = Callable[[Any, str], list[str]]
LOOKS = [
    pytest.param(in_light, False, id="light, the pages of the main job"),
    pytest.param(in_light, True, id="light", marks=pytest.mark.full),
    pytest.param(in_dark, True, id="dark", marks=pytest.mark.full),
    pytest.param(on_a_phone, True, id="phone", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("look", "every_page"), LOOKS)
def test_it_has_no_serious_fault_on_any_page(
    look: Look, every_page: bool, admin: Any, portal: Portal, sample: str
) -> None:
    batch, desk = f"/admin/batches/batch/{sample}", f"/admin/errors/errorgroup/desk/{sample}/"
    admin.goto(portal.url + desk)
    group = admin.locator("[data-row] th a").first.get_attribute("href")
    admin.goto(f"{portal.url}{group}?tab=items")
    item = admin.locator("[data-row] th a").first.get_attribute("href")
    pages = ["/admin/batches/batch/", f"{batch}/change/", "/admin/batches/batch/add/check_rows/"]
    pages += ["/admin/errors/errorgroup/desk/", desk, group, f"{desk}retry/", f"{desk}records/"]
    pages += [f"/admin/batches/item/?batch__id__exact={sample}", item]
    if every_page:
        pages += ["/admin/batches/batch/add/", "/admin/batches/batch/add/http_request/"]
        pages += [f"{batch}/rehearse/", f"{batch}/adjust/", f"{batch}/rehearsal/1/"]
        pages += [f"{desk}retries/", f"{desk}aside/", f"{desk}asides/", f"{desk}exports/"]
        pages += [f"{desk}records/?field=iata", f"{desk}?text=nothing&attempt=1"]
        pages += [f"{group}{act}/" for act in ("resolve", "ignore", "merge")]
        pages += [f"{group}?tab={tab}" for tab in ("items", "differs", "retries", "history")]
        pages += [f"{desk}fixes/", checked_fix(admin, portal, f"{desk}fixes/")]
    faults = [fault for url in pages for fault in look(admin, portal.url + url)]
    assert not faults, "\n".join(faults)


def checked_fix(page: Any, portal: Portal, fixes: str) -> str:
    """The difference that an upload would make, with a row corrected and one that is refused."""
    content = page.request.get(f"{portal.url}{fixes.replace('fixes/', 'export/csv/')}?kind=fix").text()
    header, first, *rows = content.splitlines()
    content = "\n".join([header, first.replace(",", ",corrected ", 1), *rows, rows[-1]]).encode()
    page.goto(portal.url + fixes)
    page.set_input_files("input[name=file]", {"name": "rows.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Check the file").click()
    page.locator(".bp-diff").wait_for()
    return str(page.url).removeprefix(portal.url)
