"""An act that was not done says so: what a page's script is told, and what stands on the page without one."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from batches import operations
from batches.page_acts import HEADER
from tests.helpers.batches import modes, submitted
from tests.helpers.people import signed_in

PAUSE = "/admin/batches/batch/b/act/pause/"
BY_SCRIPT: dict[str, Any] = {"headers": {HEADER: "1"}}


@pytest.fixture(autouse=True)
def running(engine: None) -> None:
    submitted(modes("ok"), batch_id="b")
    operations.start("b")


def status() -> str:
    return str(operations.get_batch("b").status)


def test_it_says_where_an_act_leads(user_of: Any) -> None:
    client = signed_in(user_of("operator"))
    answer = client.post(PAUSE, **BY_SCRIPT)
    assert (answer.status_code, answer.json()) == (200, {"location": "/admin/batches/batch/b/change/"})
    assert status() == "PAUSED"
    assert (
        "Pausing b" in client.get("/admin/batches/batch/b/change/").content.decode()
    )  # the message was kept for the page


def test_it_says_that_the_session_has_ended() -> None:
    answer = Client(enforce_csrf_checks=True).post(PAUSE, **BY_SCRIPT)
    assert (answer.status_code, answer.json()) == (401, {"why": "session"})
    assert status() == "QUEUED"


def test_it_says_that_the_right_is_lost(user_of: Any) -> None:
    answer = signed_in(user_of("viewer")).post(PAUSE, **BY_SCRIPT)
    assert (answer.status_code, answer.json()) == (403, {"why": "right"})
    assert status() == "QUEUED"


def test_it_says_that_the_page_is_too_old(user_of: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_of("operator"))
    answer = client.post(PAUSE, **BY_SCRIPT)
    assert (answer.status_code, answer.json()) == (403, {"why": "form"})
    assert status() == "QUEUED"


def test_a_page_without_a_script_is_answered_as_before(user_of: Any) -> None:
    assert signed_in(user_of("operator")).post(PAUSE).headers["Location"] == "/admin/batches/batch/b/change/"


@pytest.mark.parametrize(
    ("address", "what"),
    [(PAUSE, "“Pause” was not done"), ("/admin/batches/batch/b/watch/", "“Watch” was not done")],
)
def test_after_a_sign_in_it_says_what_was_not_done(user_of: Any, address: str, what: str) -> None:
    Client().post(address)
    page = signed_in(user_of("operator")).get(address, follow=True).content.decode()
    assert what in page
    assert status() == "QUEUED"
