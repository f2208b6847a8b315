"""What a caller may ask of REST in a minute, and what becomes of wrong tokens."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from batches.access import allowances, failures
from batches.access.addresses import caller_address, network_of
from batches.access.allotments import Allotments
from batches.access.allowances import Limit, Spending, spend
from batches.models import AccessToken, Allowance, FailedSignIn
from tests.helpers.people import browser, client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]
PATH = "/api/processors"


def test_it_says_what_is_left_and_answers_429_beyond(settings: Any) -> None:
    settings.PORTAL_RATE_PER_CALLER, settings.PORTAL_RATE_PER_ADDRESS = 3, 100
    viewer = client("viewer")
    answers = [viewer.get(PATH) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert answers[0].headers["RateLimit-Policy"] == '"address";q=100;w=60, "token";q=3;w=60'
    assert answers[0].headers["RateLimit"].startswith('"address";r=99;t=')
    assert [answer.headers["RateLimit"].split('"token";')[1][:3] for answer in answers] == ["r=2", "r=1"] + ["r=0"] * 3
    refused = answers[-1]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.json()["status"], refused.json()["title"]) == (429, "Too Many Requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert client("operator").get(PATH).status_code == 200


def test_a_session_and_a_stranger_count_too(settings: Any) -> None:
    settings.PORTAL_RATE_PER_CALLER, settings.PORTAL_RATE_PER_ADDRESS = 1, 4
    tab, stranger = browser("viewer"), APIClient()
    assert [tab.get(PATH).status_code for _ in range(2)] == [200, 429]
    assert [stranger.get(PATH).status_code for _ in range(3)] == [401, 401, 429]
    assert stranger.get(PATH, REMOTE_ADDR="192.0.2.9").status_code == 401


def test_no_limit_costs_nothing_and_is_not_told(settings: Any) -> None:
    settings.PORTAL_RATE_PER_CALLER = settings.PORTAL_RATE_PER_ADDRESS = 0
    assert "RateLimit" not in client("viewer").get(PATH).headers
    assert not Allowance.objects.exists()


@pytest.mark.full_on("sqlite")
def test_a_request_costs_a_statement_at_most_and_most_cost_none() -> None:
    viewer = client("viewer")
    viewer.get(PATH)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(59):
            viewer.get(PATH)
    assert [query for query in queries if "batches_allowance" in query["sql"]] == []
    with CaptureQueriesContext(connection) as queries:
        for _ in range(60):
            viewer.get(PATH)
    assert len([query for query in queries if "batches_allowance" in query["sql"]]) == 1


@pytest.mark.parametrize("quantity", [1, 7, 250, 1_000])
def test_processes_together_hand_out_the_limit_and_no_more(quantity: int) -> None:
    processes, limit = [Allotments() for _ in range(3)], Limit("token", quantity, 60)
    served = [0, 0, 0]
    for turn in range(quantity * 6):
        (use,) = processes[turn % 3].count([("token:1", limit)])
        served[turn % 3] += not use.is_exceeded
    assert quantity * 0.95 <= sum(served) <= quantity


def test_a_window_begins_with_the_first_use_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, now = Limit("token", 2, 60), 1_800_000_000.0
    monkeypatch.setattr(allowances, "time", lambda: now)
    assert [spend([Spending("k", limit)])[0].used for _ in range(3)] == [1, 2, 3]
    now += 59
    assert spend([Spending("k", limit)])[0].is_exceeded
    now += 1
    (use,) = spend([Spending("k", limit)])
    assert (use.used, use.resets_in) == (1, 60)
    now += 61
    assert allowances.forget_ended() == 1


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        (2, "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (3, "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (1, "nonsense", "192.0.2.1"),
        (1, "::ffff:198.51.100.1", "198.51.100.1"),
        (1, "[2001:DB8::1]", "2001:db8::1"),
    ],
)
def test_it_believes_as_many_proxies_as_there_are(settings: Any, proxies: int, forwarded: str, address: str) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    assert caller_address("192.0.2.1", forwarded) == address


def test_a_host_with_a_network_of_addresses_is_one_caller() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") != network_of("2001:db8:0:1::1")
    assert (network_of("192.0.2.1"), network_of("")) == ("192.0.2.1", "unknown")


def test_wrong_tokens_are_cut_off_and_the_right_one_is_let_in() -> None:
    viewer, guesser = client("viewer"), APIClient()
    answers = []
    with CaptureQueriesContext(connection) as queries:
        for n in range(150):
            guesser.credentials(HTTP_AUTHORIZATION=f"Token bpt_viewer__{n:043}")
            answers.append(guesser.get(PATH))
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * 100 + [429] * 50
    assert int(answers[-1].headers["Retry-After"]) > 60
    assert "try again in 15 minutes" in answers[-1].json()["detail"]
    assert (FailedSignIn.objects.count(), FailedSignIn.objects.filter(locked=True).count()) == (101, 1)
    assert len([query for query in queries if "batches_allowance" in query["sql"]]) <= 102
    assert viewer.get(PATH).status_code == 200
    assert guesser.get(PATH, REMOTE_ADDR="192.0.2.9").status_code == 401


def test_a_failure_on_record_names_a_known_token_and_no_other_text() -> None:
    viewer = client("viewer")
    AccessToken.objects.update(revoked_at="2026-01-01T00:00Z")
    viewer.get(PATH)
    stranger = APIClient()
    stranger.credentials(HTTP_AUTHORIZATION="Token my-secret-password")
    stranger.get(PATH)
    assert list(FailedSignIn.objects.values_list("door", "name", "address")) == [
        ("rest", "", "127.0.0.1"),
        ("rest", "bpt_viewer__", "127.0.0.1"),
    ]
    failures.forget_old()
    assert FailedSignIn.objects.count() == 2
