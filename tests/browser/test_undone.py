"""An act that was not done says so on its page, whatever was in its way, and the button is there again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import serious_faults, sign_in, window
from tests.helpers.portal import PASSWORD, Portal

BATCH = "not-done"
SUBMIT = f"""
from batches import operations
rows, params = [{{"row": n}} for n in range(20_000)], {{"schema": '{{"required": ["none"]}}'}}
operations.submit(processor="check_rows", items=rows, params=params, batch_id="{BATCH}", rate=5)
operations.start("{BATCH}")
from django.contrib.auth.models import Group, User
User.objects.create_user("colleague", "", "{PASSWORD}", is_staff=True).groups.add(Group.objects.get(name="operator"))
"""
DEAF = """
window.WebSocket = class { constructor() {} close() {} };
const real = window.fetch;
window.fetch = (to, options) => options?.method === "POST" ? real(to, options) : new Promise(() => {});
"""
"""A page that hears nothing: as one that was left open in a tab that sleeps."""


@pytest.fixture(scope="module", autouse=True)
def batch(portal: Portal) -> str:
    ran = portal.manage("shell", "-c", SUBMIT)
    assert ran.returncode == 0, ran.stderr
    return BATCH


@pytest.fixture
def tab(chromium: Any, portal: Portal) -> Iterator[Any]:
    """The batch's page, seen by the operator; its console may complain, as much goes wrong here."""
    context = window(chromium)
    page = context.new_page()
    sign_in(page, portal, "operator")
    page.goto(f"{portal.url}/admin/batches/batch/{BATCH}/change/")
    yield page
    context.close()


def pause(tab: Any) -> Any:
    tab.get_by_role("button", name="Pause", exact=True).click()
    return tab.get_by_role("alert").filter(has_text="Pause")


def resume(tab: Any) -> None:
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_role("button", name="Pause", exact=True)).to_be_visible()


def test_a_form_that_became_too_old(tab: Any) -> None:
    tab.context.clear_cookies(name="csrftoken")
    expect(pause(tab)).to_contain_text("“Pause” was not done: this page was too old for it.")
    assert serious_faults(tab) == []
    tab.get_by_role("button", name="Pause again").click()
    resume(tab)


def test_a_session_that_has_ended(tab: Any, portal: Portal) -> None:
    tab.context.clear_cookies(name="sessionid")
    expect(pause(tab)).to_contain_text("“Pause” was not done: your session has ended. Sign in in another tab")
    other = tab.context.new_page()
    sign_in(other, portal, "operator")
    tab.get_by_role("button", name="Pause again").click()
    resume(tab)


@pytest.mark.full
def test_a_network_that_is_gone(tab: Any) -> None:
    tab.context.set_offline(True)
    expect(pause(tab)).to_contain_text("“Pause” was not done: there is no network.")
    tab.context.set_offline(False)
    tab.get_by_role("button", name="Pause again").click()
    resume(tab)


@pytest.mark.full
def test_a_server_that_is_away(tab: Any) -> None:
    tab.route("**/*", lambda route: route.abort("connectionrefused"))
    expect(pause(tab)).to_contain_text("Nobody knows whether “Pause” was done: the server did not answer.")
    tab.unroute_all()
    tab.get_by_role("button", name="Pause again").click()
    resume(tab)


def test_another_operator_who_was_first(tab: Any, chromium: Any, portal: Portal) -> None:
    context = window(chromium)
    deaf = context.new_page()
    deaf.add_init_script(DEAF)
    sign_in(deaf, portal, "colleague")
    deaf.goto(f"{portal.url}/admin/batches/batch/{BATCH}/change/")
    pause(tab)
    expect(tab.get_by_role("button", name="Resume")).to_be_visible()
    deaf.get_by_role("button", name="Pause", exact=True).click()
    expect(deaf.get_by_text(f"Cannot pause batch {BATCH}: it is paused.")).to_be_visible()
    expect(deaf.get_by_role("button", name="Resume")).to_be_visible()
    context.close()
    resume(tab)
