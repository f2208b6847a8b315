"""Where a request comes from: the other end of the connection, or what the proxies before the portal say of it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from rest_framework.settings import api_settings


def address_of(meta: Mapping[str, Any]) -> str:
    """The caller's address by the headers of a request, as WSGI names them; empty when nobody knows it."""
    return caller_address(str(meta.get("REMOTE_ADDR") or ""), str(meta.get("HTTP_X_FORWARDED_FOR") or ""))


def address_of_scope(scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The same of a socket."""
    return caller_address(str((scope.get("client") or [""])[0]), headers.get("x-forwarded-for", ""))


def caller_address(peer: str, forwarded: str) -> str:
    """The address that the outermost of our own proxies saw: `NUM_PROXIES` entries from the right.

    What stands further left is the caller's own claim.
    """
    proxies = api_settings.NUM_PROXIES or 0
    entries = [entry.strip() for entry in forwarded.split(",")] if forwarded else []
    claimed = entries[-min(proxies, len(entries))] if proxies and entries else ""
    return canonical(claimed) or canonical(peer)


def canonical(address: str) -> str:
    """One spelling an address, IPv4 within IPv6 as IPv4; empty for what is none."""
    try:
        parsed = ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of IPv6 that one host has to itself."""
    if ":" not in address:
        return address or "unknown"
    return str(ip_network((address, 64), strict=False))
