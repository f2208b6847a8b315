"""Who asks is known before a body is read, and nobody's body costs the others their answers."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core.exceptions import PermissionDenied
from django.test import Client
from twisted.web.http_headers import Headers

from batchportal import sign_in
from batchportal.server import LimitedRequest
from tests.helpers.people import browser, client

FORM = "application/x-www-form-urlencoded"
LARGE = b"a=" + b"x" * 65 * 1024


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the body fails the test."""
    monkeypatch.setattr("django.http.request.HttpRequest._load_post_and_files", lambda request: pytest.fail("read"))


@pytest.mark.django_db
@pytest.mark.parametrize("cookies", [{}, {"csrftoken": "a" * 32}, {"sessionid": "b" * 32, "csrftoken": "a" * 32}])
def test_it_reads_no_large_body_of_who_has_not_signed_in(unread: None, cookies: dict[str, str]) -> None:
    stranger = Client(enforce_csrf_checks=True)
    stranger.cookies.load(cookies)
    assert stranger.post("/admin/login/", LARGE, content_type=FORM).status_code == 400
    answer = stranger.post("/api/batches", LARGE, content_type=FORM)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")


@pytest.mark.django_db
def test_it_reads_that_of_who_has() -> None:
    rows = [{"n": n, "text": "x" * 50} for n in range(1_000)]
    body = {"processor": "check_rows", "params": {"schema": "{}"}, "items": rows}
    assert client("operator").post("/api/batches", body, format="json").status_code == 201
    assert client("anonymous").post("/api/batches", body, format="json").status_code == 401
    tab = browser("operator")
    assert tab.post("/admin/", LARGE, content_type=FORM).status_code == 403, "CSRF's answer: it was let through"


def test_it_parses_no_form_in_the_event_loop() -> None:
    request = LimitedRequest.__new__(LimitedRequest)
    request._parsePOSTFormSubmission = True  # as Twisted begins
    request.content, request.requestHeaders = io.BytesIO(), Headers({"Content-Type": [FORM]})
    request.content.write(b"a=1&b=2")
    request.process = lambda: None  # type: ignore[method-assign]
    request.requestReceived(b"POST", b"/admin/login/", b"HTTP/1.1")
    assert request.args == {}
    assert request.content.read() == b"a=1&b=2"


# -- sign-ins ----------------------------------------------------------------------------------------------------------


def test_it_hashes_a_few_passwords_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[int] = []
    most, lock, go_on = [0], threading.Lock(), threading.Event()

    def slow(*arguments: Any) -> str:
        with lock:
            at_work.append(1)
            most[0] = max(most[0], len(at_work))
        go_on.wait(0.05)
        with lock:
            at_work.pop()
        return "hash"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", slow)
    threads = [threading.Thread(target=make_password, args=("secret",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == sign_in.AT_A_TIME


def test_it_refuses_a_sign_in_that_waits_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "LONGEST_TURN", 0.01)
    for _ in range(sign_in.AT_A_TIME):
        sign_in._turns.acquire()
    try:
        with pytest.raises(PermissionDenied, match="Too many people"):
            make_password("secret")
    finally:
        for _ in range(sign_in.AT_A_TIME):
            sign_in._turns.release()
