"""HTTP to other systems, guarded against being sent where it must not go (server-side request forgery).

Hosts are allow-listed by `PORTAL_OUTBOUND_HOSTS`: `api.example.com`, `*.example.com`, `10.0.0.7:8080`, or `*` for any
public one. Names are resolved here and the address that is checked is the one connected to, at every attempt and every
redirect. An address that is not public is refused, unless its host stands on the list by its full name.
Source: OWASP Server-Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import Any

import httpcore
import httpx
from django.conf import settings

PORTS = (80, 443)
CONNECT_SECONDS = 5.0
MAX_BODY = 1024 * 1024
TUNNELS = tuple(
    ipaddress.ip_network(net) for net in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "::/96")
)
"""IPv6 ranges that carry IPv4 addresses, which other machines unpack."""


class OutboundRefused(Exception):
    """The address is not one this portal may talk to, or the answer not one it may take in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, its body read whole and at most 1 MiB long after decompression."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


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
    until = monotonic() + timeout
    limits = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    client = _client(os.getpid(), allowed)
    with client.stream(
        method,
        checked_url(url, allowed),
        headers=headers,
        content=content,
        timeout=limits,
        follow_redirects=follow_redirects,
    ) as response:
        return Answer(response.status_code, response.headers, _read(response, until))


def _read(response: httpx.Response, until: float) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_BODY:
            raise OutboundRefused(f"The answer is longer than {MAX_BODY:,} bytes.")
        if monotonic() > until:
            raise httpx.ReadTimeout("The answer took too long to arrive.", request=response.request)
    return bytes(body)


# -- which addresses ---------------------------------------------------------------------------------------------------


def checked_url(url: str, hosts: Sequence[str]) -> str:
    """The URL, if its scheme, host and port may be talked to; `OutboundRefused` says what is wrong with it."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise OutboundRefused(f"This is not a URL: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise OutboundRefused("Only http:// and https:// are spoken.")
    if parts.userinfo:
        raise OutboundRefused("Put credentials into a header, not into the URL.")
    if not parts.host:
        raise OutboundRefused("The URL names no host.")
    refuse_unlisted(parts.host, port_of(parts), hosts)
    return url


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def refuse_unlisted(host: str, port: int, hosts: Sequence[str]) -> None:
    name = plain(host)
    if by_name(name, port, hosts):
        return
    if port not in PORTS:
        raise OutboundRefused(f"Port {port} of {host} is not listed; PORTAL_OUTBOUND_HOSTS may say {name}:{port}.")
    patterns = [plain(entry) for entry in hosts if entry.startswith("*")]
    if not any(entry == "*" or name.endswith(entry[1:]) for entry in patterns):
        raise OutboundRefused(f"Host {host} is not one of PORTAL_OUTBOUND_HOSTS.")


def by_name(name: str, port: int, hosts: Sequence[str]) -> bool:
    """Whether the host stands on the list itself, with that port or with a usual one."""
    listed = {plain(entry) for entry in hosts}
    return f"{name}:{port}" in listed or (port in PORTS and name in listed)


def plain(host: str) -> str:
    return host.strip().lower().rstrip(".").replace("[", "").replace("]", "")


def is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in net for net in TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast


def addresses_of(host: str, port: int) -> list[str]:
    """What the name resolves to, in the resolver's order."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} has no address: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.SyncBackend):
    """Connects to the very addresses it has checked."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        refuse_unlisted(host, port, self.hosts)
        addresses = addresses_of(host, port)
        if not by_name(plain(host), port, self.hosts):
            for address in addresses:
                if not is_public(address):
                    raise OutboundRefused(f"{host} leads to {address}, which is not a public address.")
        for last, address in enumerate(addresses, start=1):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address.")


MOST_CLIENTS = 4
_making = threading.Lock()
_clients: dict[tuple[int, tuple[str, ...]], httpx.Client] = {}


def _client(pid: int, hosts: tuple[str, ...]) -> httpx.Client:
    """One client a process and list of hosts, for its connections are reused; the oldest of too many is closed."""
    with _making:
        client = _clients[pid, hosts] = _clients.get((pid, hosts)) or _made(hosts)
        while len(_clients) > MOST_CLIENTS:
            owner, _ = oldest = next(iter(_clients))
            outdated = _clients.pop(oldest)
            if owner == pid:  # another one's is its parent's, from before the fork
                outdated.close()
        return client


def _made(hosts: tuple[str, ...]) -> httpx.Client:
    """It keeps no cookies and knows no proxies."""
    transport = httpx.HTTPTransport(trust_env=False)
    transport._pool = httpcore.ConnectionPool(
        ssl_context=httpx.create_ssl_context(trust_env=False),
        max_connections=100,
        keepalive_expiry=5.0,
        network_backend=GuardedBackend(hosts),
    )

    def check(request: httpx.Request) -> None:
        """Also what a redirect leads to."""
        checked_url(str(request.url), hosts)

    client = httpx.Client(transport=transport, trust_env=False, max_redirects=5, event_hooks={"request": [check]})
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client
