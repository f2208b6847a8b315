"""Which hosts may be talked to: the list of `PORTAL_OUTBOUND_HOSTS`, and addresses held against it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import idna

from batches.outbound.refusals import OutboundRefused

if TYPE_CHECKING:
    import httpx

PORTS = (80, 443)
ENTRY = re.compile(r"\[(?P<v6>[^\[\]]+)\](?::(?P<port6>\d{1,5}))?|(?P<host>[^\[\]:/*]+)(?::(?P<port>\d{1,5}))?")
DOMAIN = re.compile(r"\*\.(?P<domain>[^*:/\[\]]+)")


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts by their full name, with their ports; domains whose hosts are meant; or any public host."""

    named: frozenset[tuple[str, int]]
    domains: tuple[str, ...]
    anything: bool


def checked_url(url: str, hosts: Sequence[str]) -> str:
    """The URL, if its scheme, host and port may be talked to; `OutboundRefused` says what is wrong with it."""
    parts = parsed(url)
    if parts.scheme not in ("http", "https"):
        raise OutboundRefused("Only http:// and https:// are spoken.")
    if parts.userinfo:
        raise OutboundRefused("Put credentials into a header, not into the URL.")
    if not parts.raw_host:
        raise OutboundRefused("The URL names no host.")
    refuse_unlisted(parts.raw_host.decode("ascii"), port_of(parts), hosts)
    return url


def parsed(url: str | httpx.URL) -> httpx.URL:
    """The URL in its parts; `OutboundRefused` where it is none."""
    import httpx  # with the first URL, not with every process

    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise OutboundRefused(f"This is not a URL: {error}") from None


def origin_of(url: str | httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = parsed(url)
    return parts.scheme, canonical(parts.raw_host.decode("ascii")), port_of(parts)


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def refuse_unlisted(host: str, port: int, hosts: Sequence[str]) -> None:
    """`OutboundRefused` unless the list has that host and port, by name or by pattern."""
    name, allowed = canonical(host), allow_list(tuple(hosts))
    if (name, port) in allowed.named:
        return
    if port not in PORTS:
        shown = f"[{name}]" if ":" in name else name
        raise OutboundRefused(f"Port {port} of {name} is not listed; PORTAL_OUTBOUND_HOSTS may say {shown}:{port}.")
    if not allowed.anything and not name.endswith(allowed.domains):
        raise OutboundRefused(f"Host {name} is not one of PORTAL_OUTBOUND_HOSTS.")


def is_named(host: str, port: int, hosts: Sequence[str]) -> bool:
    """Whether the host stands on the list itself, with that port or with a usual one."""
    return (canonical(host), port) in allow_list(tuple(hosts)).named


def canonical(host: str) -> str:
    """The one way to write a host: an address as Python does, a name in lower case and A-labels."""
    name = host.strip().lower().strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    name = name.removesuffix(".")
    try:
        if name.isascii() and "xn--" not in name:
            return name
        labels = [idna.encode(idna.decode(label)) for label in idna.encode(name, uts46=True).decode().split(".")]
    except (UnicodeError, IndexError) as error:
        raise OutboundRefused(f"{host[:80]!r} is not the name of a host: {error}") from None
    return b".".join(labels).decode()


# -- the list ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def allow_list(hosts: tuple[str, ...]) -> AllowList:
    """The entries as they are meant; one that means nothing allows nothing."""
    named: set[tuple[str, int]] = set()
    domains: list[str] = []
    for entry in filter(_has_meaning, map(str.strip, hosts)):
        domain = DOMAIN.fullmatch(entry)
        if domain:
            domains.append(f".{canonical(domain['domain'])}")
        elif entry != "*":
            named |= _named(entry)
    return AllowList(frozenset(named), tuple(domains), "*" in map(str.strip, hosts))


def meaningless_entries(hosts: Iterable[str]) -> list[str]:
    """The entries that name no host: `*.`, `*example.com`, `https://…`."""
    return [entry for entry in hosts if not _has_meaning(entry.strip())]


def _has_meaning(entry: str) -> bool:
    try:
        domain = DOMAIN.fullmatch(entry)
        return entry == "*" or bool(canonical(domain["domain"]).strip(".") if domain else _named(entry))
    except OutboundRefused:
        return False


def _named(entry: str) -> set[tuple[str, int]]:
    try:
        return {(str(ipaddress.ip_address(entry)), port) for port in PORTS}  # an IPv6 address without brackets
    except ValueError:
        match = ENTRY.fullmatch(entry)
    if match is None or not (name := canonical(match["v6"] or match["host"])):
        return set()
    port = match["port6"] or match["port"]
    return {(name, int(port))} if port else {(name, usual) for usual in PORTS}
