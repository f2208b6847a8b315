"""Answers of other systems that attack: slow without end, encoded to burst, or leading secrets elsewhere."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from django.utils import timezone

from batches import outbound
from batches.outbound import OutboundRefused
from tests.corpus.answers import BOMBS, DRIPS, HEAD, LOCATIONS, PAUSE
from tests.helpers.http_server import Server
from tests.helpers.raw_server import raw_server
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.full
def test_it_gives_up_an_answer_that_drips(drip: Any) -> None:
    with raw_server(drip, pause=PAUSE) as address, pytest.raises(httpx.TimeoutException):
        outbound.send("GET", f"http://{address}/", hosts=[address], timeout=0.5)


def test_it_gives_up_redirects_that_take_too_long_together() -> None:
    moved = [b"HTTP/1.1 302 Found\r\nLocation: /more\r\n", b"Connection: close\r\nContent-Length: 0\r\n\r\n"]
    with raw_server(lambda: moved, pause=0.4) as address, pytest.raises(httpx.TimeoutException):
        outbound.send("GET", f"http://{address}/", hosts=[address], timeout=1, follow_redirects=True)


def test_it_gives_up_a_receiver_that_does_not_take_the_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(httpx.TimeoutException):
            outbound.send("POST", f"http://{address}/", hosts=[address], content=b"x" * 20_000_000, timeout=0.3)


def test_it_gives_up_a_handshake_that_does_not_come() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(httpx.TimeoutException):
            outbound.send("GET", f"https://{address}/", hosts=[address], timeout=0.3)


def test_it_gives_up_a_resolver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: is_over.wait(PATIENCE))
    with pytest.raises(httpx.ConnectTimeout, match="took too long"):
        outbound.send("GET", "http://slow.example/", hosts=["slow.example"], timeout=0.3)
    is_over.set()


def encoded(coding: str, body: bytes) -> Iterator[str]:
    head = HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding.encode(), len(body))
    with raw_server(lambda: [head + body]) as address:
        yield address


RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"well", mtime=0)),
        ("X-GZIP", gzip.compress(b"well", mtime=0)),
        ("deflate", zlib.compress(b"well")),
        ("deflate", RAW.compress(b"well") + RAW.flush()),
        ("identity", b"well"),
    ],
)
def test_it_reads_one_content_coding(coding: str, body: bytes) -> None:
    for address in encoded(coding, body):
        assert outbound.send("GET", f"http://{address}/", hosts=[address]).text == "well"


def test_it_refuses_an_answer_that_cannot_be_read_within_its_bound() -> None:
    refusals = {}
    for coding, body, words in BOMBS:
        for address in encoded(coding, body):
            try:
                refusals[coding, words] = outbound.send("GET", f"http://{address}/", hosts=[address]).text[:80]
            except OutboundRefused as refused:
                refusals[coding, words] = str(refused)
    assert {case: text for case, text in refusals.items() if case[1] not in text} == {}


# -- redirects ---------------------------------------------------------------------------------------------------------

SECRETS = {
    "Authorization": "Bearer s3cret",
    "X-Api-Key": "s3cret",
    "X-Auth-Token": "s3cret",
    "Proxy-Authorization": "s3cret",
    "Idempotency-Key": "s3cret",
    "Cookie": "session=s3cret",
    "Content-Type": "application/json; s3cret",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_takes_no_header_and_no_body_to_another_origin(server: Server, other_server: Server, status: int) -> None:
    server.answer = lambda request: (status, {"Location": f"http://{other_server.address}/there"}, b"")
    answer = outbound.send(
        "POST",
        f"http://{server.address}/here",
        headers=SECRETS,
        content=b'{"s3cret": 1}',
        hosts=[server.address, other_server.address],
        follow_redirects=True,
    )
    (first,), (second,) = server.seen, other_server.seen
    assert answer.status == 200
    assert first["headers"].items() >= SECRETS.items()
    assert (second["path"], second["body"]) == ("/there", b"")
    assert "s3cret" not in str(second)
    assert second["method"] == ("POST" if status in (307, 308) else "GET")


def test_it_does_not_take_them_back_to_the_first_origin(server: Server, other_server: Server) -> None:
    server.answer = lambda request: (
        (200, {}, b"") if request["path"] == "/back" else (307, {"Location": f"http://{other_server.address}/"}, b"")
    )
    other_server.answer = lambda request: (307, {"Location": f"http://{server.address}/back"}, b"")
    allowed = [server.address, other_server.address]
    outbound.send("POST", f"http://{server.address}/", headers=SECRETS, hosts=allowed, follow_redirects=True)
    assert "s3cret" not in str(server.seen[1])


def test_it_stays_as_it_is_within_one_origin(server: Server) -> None:
    server.answer = lambda request: (307, {"Location": "/b"}, b"") if request["path"] == "/a" else (200, {}, b"")
    url, allowed = f"http://{server.address}/a", [server.address]
    outbound.send("PUT", url, headers=SECRETS, content=b"row", hosts=allowed, follow_redirects=True)
    assert (server.seen[1]["path"], server.seen[1]["method"], server.seen[1]["body"]) == ("/b", "PUT", b"row")
    assert server.seen[1]["headers"].items() >= SECRETS.items()


def test_it_asks_by_get_without_a_body_after_a_303(server: Server) -> None:
    server.answer = lambda request: (303, {"Location": "/b"}, b"") if request["path"] == "/a" else (200, {}, b"")
    url, allowed = f"http://{server.address}/a", [server.address]
    outbound.send("POST", url, headers=SECRETS, content=b"row", hosts=allowed, follow_redirects=True)
    assert (server.seen[1]["method"], server.seen[1]["body"]) == ("GET", b"")
    assert "Content-Type" not in server.seen[1]["headers"]
    assert server.seen[1]["headers"]["X-Api-Key"] == "s3cret"


def test_it_refuses_a_redirect_to_what_is_no_address_or_lies_inside(server: Server) -> None:
    address, followed = server.address, []
    for location in LOCATIONS:
        server.answer = lambda request, location=location: (302, {"Location": location}, b"")
        assert outbound.send("GET", f"http://{address}/", hosts=[address, "*"]).status == 302
        try:
            followed.append(outbound.send("GET", f"http://{address}/", hosts=[address, "*"], follow_redirects=True))
        except OutboundRefused:
            continue
    assert followed == []


def test_it_refuses_a_circle_of_redirects(server: Server) -> None:
    server.answer = lambda request: (302, {"Location": "/"}, b"")
    with pytest.raises(OutboundRefused, match="more than 5 times"):
        outbound.send("GET", f"http://{server.address}/", hosts=[server.address], follow_redirects=True)


# -- Retry-After -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("99999999999", 86_400),
        ("9" * 5_000, 86_400),
        ("0" * 5_000 + "7", 7),
        ("²", None),
        ("١٢", None),
        ("-5", None),
        ("1.5", None),
        ("5, 10", None),
        ("soon", None),
        ("", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Sun, 06 Nov 1994 08:49:37 +9999", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_it_reads_both_forms_of_retry_after(header: str, seconds: float | None) -> None:
    assert outbound.seconds_to_wait(header) == seconds


def test_it_waits_until_the_date_that_was_asked_for() -> None:
    header = format_datetime(timezone.now() + timedelta(hours=20), usegmt=True)
    assert outbound.seconds_to_wait(header) == pytest.approx(20 * 3600, abs=60)
