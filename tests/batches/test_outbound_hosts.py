"""Where nothing is sent: hosts that are not listed, and addresses that are not public, however they are written."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from django.core.checks import run_checks
from django.urls import reverse

from batches import operations, outbound
from batches.exceptions import InvalidInput
from batches.models import Webhook
from batches.outbound import OutboundRefused
from batches.outbound.addresses import is_public
from tests.corpus.addresses import FORBIDDEN, PUBLIC
from tests.helpers.http_server import Server
from tests.helpers.people import client, signed_in

pytestmark = pytest.mark.any_database


def test_it_is_never_sent_to_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with every public host allowed."""
    connected: list[Any] = []

    def connect(*arguments: Any, **options: Any) -> None:
        connected.append(arguments)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", connect)
    sent = []
    for url in FORBIDDEN:
        try:
            outbound.send("GET", url, hosts=["*"], timeout=2)
            sent.append(url)
        except (OutboundRefused, httpx.ConnectError):
            sent += [url] if connected else []
            connected.clear()
    assert sent == []


def test_it_connects_to_the_address_it_checked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that says a public address when asked first, and a private one when asked again, is asked once."""
    asked: list[str] = []

    def resolve(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[Any] = []

    def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
        connected.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(httpx.ConnectError):
        outbound.send("GET", "http://rebinding.example/", hosts=["rebinding.*", "*"], timeout=2)
    assert connected == [("93.184.216.34", 80)]
    with pytest.raises(OutboundRefused, match=r"127\.0\.0\.1, which is not a public address"):
        outbound.send("GET", "http://rebinding.example/", hosts=["*"], timeout=2)


@pytest.mark.parametrize(
    ("host", "port", "listed", "ok"),
    [
        ("api.example.com", 443, ["api.example.com"], True),
        ("API.example.com.", 443, ["api.example.com"], True),
        ("api.example.com", 8443, ["api.example.com"], False),
        ("api.example.com", 8443, ["api.example.com:8443"], True),
        ("a.example.com", 443, ["*.example.com"], True),
        ("example.com.evil.org", 443, ["*.example.com"], False),
        ("evilexample.com", 443, ["*.example.com"], False),
        ("anything.org", 443, ["*"], True),
        ("anything.org", 443, [], False),
        ("evil-example.com", 443, ["*example.com"], False),
        ("www.example.com", 443, ["*example.com"], False),
        ("anything.org", 443, ["*."], False),
        ("anything.org", 443, ["**", "*.*", "", ".", "*:443", "https://anything.org", "anything.*"], False),
        ("example.com", 443, ["*.example.com"], False),
        ("a.b.example.com", 443, ["*.Example.com."], True),
        ("a.example.com", 8443, ["*.example.com", "*"], False),
        ("::1", 8080, ["[::1]:8080"], True),
        ("0:0:0:0:0:0:0:1", 8080, ["[::1]:8080"], True),
        ("::1:8080", 80, ["[::1]:8080"], False),
        ("fd00::1", 443, ["fd00::1"], True),
        ("xn--mnchen-3ya.example", 443, ["münchen.example"], True),
        ("münchen.example", 443, ["xn--mnchen-3ya.example"], True),
    ],
)
def test_it_reads_the_list_of_hosts(host: str, port: int, listed: list[str], ok: bool) -> None:
    if ok:
        outbound.refuse_unlisted(host, port, listed)
    else:
        with pytest.raises(OutboundRefused):
            outbound.refuse_unlisted(host, port, listed)


def test_it_calls_public_what_is_globally_routable_and_nothing_else() -> None:
    assert {address: is_public(address) for address in PUBLIC} == PUBLIC


BROKEN_NAMES = ["http://xn--a.example/", "http://xn--a-ecp.ru\u0301.example/", "https://xn--/"]


@pytest.mark.parametrize("url", BROKEN_NAMES)
@pytest.mark.usefixtures("engine")
def test_it_refuses_a_malformed_name_in_words_at_every_door(user_of: Any, settings: Any, url: str) -> None:
    settings.PORTAL_OUTBOUND_HOSTS = ["*"]
    params = {"method": "GET", "url": url}
    with pytest.raises(InvalidInput) as refused:
        operations.submit(processor="http_request", params=params, items=[{"id": 1}])
    assert "params.url" in refused.value.errors
    body = {"processor": "http_request", "params": params, "items": [{"id": 1}]}
    assert client("operator").post("/api/batches", body, format="json").status_code == 400
    add = signed_in(user_of("admin")).post(reverse("admin:batches_webhook_add"), {"url": url, "active": "on"})
    assert add.status_code == 200
    assert not Webhook.objects.exists()


def test_it_is_told_at_start_of_an_entry_that_names_no_host(settings: Any) -> None:
    settings.PORTAL_OUTBOUND_HOSTS = ["*", "*.example.com", "[::1]:8080", "api.example.com:8443", "*example.com", "*."]
    errors = [message for message in run_checks(tags=["batches"]) if message.is_serious()]
    assert [error.id for error in errors] == ["batches.E001"] * 2
    assert "'*example.com'" in errors[0].msg
