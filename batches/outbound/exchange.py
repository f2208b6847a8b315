"""One exchange with another system: a request, its answer, and the redirects between them."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpcore
import httpx

from batches.conf import settings
from batches.outbound.bodies import ACCEPTED, bounded, decoded
from batches.outbound.connections import GuardedBackend
from batches.outbound.deadlines import deadline
from batches.outbound.hosts import checked_url, origin_of, parsed
from batches.outbound.refusals import OutboundRefused

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
OWN_HEADERS = {"Accept": "*/*", "Accept-Encoding": ACCEPTED, "User-Agent": "batchportal"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, its body read whole and at most 1 MiB long, before and after decoding."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the caller's, or where a redirect leads."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


def send(
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    timeout: float = 30.0,
    hosts: Sequence[str] | None = None,
    follow_redirects: bool = False,
) -> Answer:
    """One request, within `timeout` seconds in all. `hosts` is the allow-list (None: the portal's).

    Raises `OutboundRefused`, and `httpx.HTTPError` as httpx does.
    """
    allowed = tuple(settings.PORTAL_OUTBOUND_HOSTS if hosts is None else hosts)
    call = Call(method, url, headers or {}, content)
    with deadline(timeout):
        for _ in range(MOST_REDIRECTS + 1):
            answer = exchanged(call, allowed, timeout)
            location = answer.headers.get("Location", "") if answer.status in REDIRECTS else ""
            if not follow_redirects or not location:
                return answer
            call = redirected(call, answer.status, location)
    raise OutboundRefused(f"The answer redirects more than {MOST_REDIRECTS} times.")


def exchanged(call: Call, hosts: tuple[str, ...], timeout: float) -> Answer:
    headers = httpx.Headers(OWN_HEADERS)
    headers.update(call.headers)
    times = httpx.Timeout(timeout).as_dict()
    url = checked_url(call.url, hosts)
    request = httpx.Request(call.method, url, headers=headers, content=call.content, extensions={"timeout": times})
    response = _transport(os.getpid(), hosts).handle_request(request)
    try:
        assert isinstance(response.stream, httpx.SyncByteStream)
        body = bounded(response.stream)
    finally:
        response.close()
    return Answer(response.status_code, response.headers, decoded(body, response.headers.get("Content-Encoding", "")))


def redirected(call: Call, status: int, location: str) -> Call:
    """Where a redirect leads. To another origin go neither the caller's headers nor the body.

    303 asks by GET, and so do 301 and 302 after a POST, as browsers have it.
    """
    try:
        url = str(parsed(call.url).join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise OutboundRefused(f"The answer redirects to what is no URL: {error}") from None
    becomes_get = (status == 303 and call.method != "HEAD") or (status in (301, 302) and call.method == "POST")
    method = "GET" if becomes_get else call.method
    if origin_of(url) != origin_of(call.url):
        return Call(method, url)
    if becomes_get:
        return Call(method, url, {name: value for name, value in call.headers.items() if not is_of_body(name)})
    return Call(method, url, call.headers, call.content)


def is_of_body(header: str) -> bool:
    return header.lower().startswith("content-")


# -- connections that are kept -----------------------------------------------------------------------------------------

MOST_TRANSPORTS = 4
_creating = threading.Lock()
_transports: dict[tuple[int, tuple[str, ...]], httpx.HTTPTransport] = {}


def _transport(pid: int, hosts: tuple[str, ...]) -> httpx.HTTPTransport:
    """One a process and list of hosts, for its connections are reused; the oldest of too many is closed."""
    with _creating:
        transport = _transports[pid, hosts] = _transports.get((pid, hosts)) or _new_transport(hosts)
        while len(_transports) > MOST_TRANSPORTS:
            owner, _ = oldest = next(iter(_transports))
            outdated = _transports.pop(oldest)
            if owner == pid:  # another one's is its parent's, from before the fork
                outdated.close()
        return transport


def _new_transport(hosts: tuple[str, ...]) -> httpx.HTTPTransport:
    """It keeps no cookies and knows no proxies."""
    transport = httpx.HTTPTransport(trust_env=False)
    transport._pool = httpcore.ConnectionPool(
        ssl_context=httpx.create_ssl_context(trust_env=False),
        max_connections=100,
        keepalive_expiry=5.0,
        network_backend=GuardedBackend(hosts),
    )
    return transport
