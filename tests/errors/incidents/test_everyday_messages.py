"""Incidents that every operations team meets, known by the words of their messages."""

from __future__ import annotations

import random
import socket

import pytest
from django.db import OperationalError

from tests.helpers.incidents import Row, incident, orders

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def test_a_database_without_a_free_connection_wants_fewer_lanes() -> None:
    error = OperationalError("FATAL:  sorry, too many clients already")
    desk = incident(orders(400), lambda n, row: [error] if n % 4 == 0 else [], concurrency=8)
    assert desk.first["title"].startswith("Lower the concurrency from 8 to")
    assert "found no connection free" in desk.first["why"]
    assert desk.kinds()[:2] == ["settings", "retry"]


def test_a_failover_that_is_over_is_retried_exactly() -> None:
    error = OperationalError("cannot execute UPDATE in a read-only transaction")
    desk = incident(orders(600), lambda n, row: [error] if 200 <= n < 260 else [])
    assert desk.first["title"].startswith("It looks over: retry exactly what failed in items 200 to 259")
    assert desk.kinds() == ["retry"]


def test_a_standby_that_stays_one_is_named() -> None:
    error = OperationalError("cannot execute UPDATE in a read-only transaction")
    desk = incident(orders(600), lambda n, row: [error] if n >= 420 else [])
    assert desk.first["title"].startswith("Wait, then try a few")
    assert "Check which database server takes writes" in desk.first["why"]
    assert "orrect" not in desk.text


def test_a_host_without_an_address_asks_for_its_name() -> None:
    rows = orders(600)
    gone = {n for n, row in enumerate(rows) if row["customer"] == "C00017"}
    error = socket.gaierror(-2, "Name or service not known")
    desk = incident(rows, lambda n, row: [error] if n in gone else [])
    assert desk.first["title"].startswith("Check the host name, and the DNS that the workers ask")
    assert "customer = C00017" in desk.first["why"]
    assert "connectivity" not in desk.text


def test_a_tls_version_that_nobody_shares_is_no_certificate() -> None:
    error = ConnectionError("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    desk = incident(orders(300), lambda n, row: [error] if n % 3 == 0 else [])
    assert "same TLS: port, version, ciphers" in desk.first["title"]
    assert "ertificate" not in desk.text


def test_a_clock_that_is_wrong_is_set_and_no_credential_renewed() -> None:
    error = RuntimeError("An error occurred (RequestTimeTooSkewed) when calling the PutObject operation")
    desk = incident(orders(400), lambda n, row: [error] if n >= 250 else [])
    assert desk.first["title"] == "Set the clock of the workers by a time server, then retry 150 items"
    assert desk.kinds() == ["repair"]
    assert "redentials" not in desk.text


def test_the_clock_of_one_machine_is_that_of_one_machine() -> None:
    def worker(n: int) -> str:
        return f"host-{'abc'[n * 7 // 3 % 3]}:1:1"

    error = RuntimeError("An error occurred (RequestTimeTooSkewed) when calling the PutObject operation")
    desk = incident(orders(600), lambda n, row: [error] if worker(n).startswith("host-b") else [], worker=worker)
    assert desk.first["title"].startswith("Look at what is different where attempt's host = host-b")
    assert desk.kinds() == ["repair"]


def test_a_proxy_that_wants_a_password_is_not_the_other_side() -> None:
    error = OSError("Tunnel connection failed: 407 Proxy Authentication Required")
    desk = incident(orders(300), lambda n, row: [error] if n >= 100 else [])
    assert desk.first["title"] == "Give the workers the credentials of the proxy, then retry 200 items"
    assert desk.kinds() == ["repair"]


def test_a_file_system_that_became_read_only_asks_to_be_made_writable() -> None:
    desk = incident(orders(400), lambda n, row: [OSError(30, "Read-only file system", f"/out/{n}")] if n >= 300 else [])
    assert desk.first["title"] == "Make the place writable that workers write to, then retry 100 items"
    assert "a disk that fails is made so" in desk.first["why"]
    assert "memory" not in desk.text.lower()


def test_statements_that_the_database_cuts_off_raise_no_limit_here() -> None:
    chance = random.Random(6)
    rows = [row | {"lines": chance.randrange(1, 500)} for row in orders(600)]
    error = OperationalError("canceling statement due to statement timeout")

    def fails(n: int, row: Row) -> list[Exception]:
        return [error] if row["lines"] > 400 else []

    desk = incident(rows, fails, item_timeout=30.0, seconds=lambda n, row: 5.0 if row["lines"] > 400 else 0.1)
    assert "the time limit of the database for a statement" in desk.first["title"]
    assert "Raise the time limit" not in desk.text


def test_a_server_that_says_no_in_a_line_is_understood() -> None:
    chance = random.Random(4)
    desk = incident(
        orders(400), lambda n, row: [RuntimeError("503 Service Unavailable")] if chance.random() < 0.3 else []
    )
    assert desk.first["action"]["verb"] == "retry"
    assert "of which no rule knows anything" not in desk.text
