"""Which addresses are public: those that are globally routable, and nothing else.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries.
"""

from __future__ import annotations

import ipaddress

GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""An IPv4 address in its last 32 bits, which a gateway of the network unpacks: as public as that is."""
SPECIAL = tuple(
    ipaddress.ip_network(net)
    for net in (
        "2001::/23",  # protocol assignments; with Teredo, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in bits 16 to 48
        "3fff::/20",  # documentation
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
    )
)
"""Not for everybody, although Python's tables take some of them for global."""
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The first half of an interface's identifier that carries an IPv4 address (RFC 5214)."""


def is_public(address: str) -> bool:
    """Whether that is an address on the public internet, also where one address is packed into another."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return _is_global(ip)
    packed = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in NAT64 else None)
    if packed is not None:
        return _is_global(packed)
    return ip in GLOBAL_UNICAST and (int(ip) >> 32) & 0xFFFF_FFFF not in ISATAP and _is_global(ip)


def _is_global(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    special = any(ip in net for net in SPECIAL if net.version == ip.version)
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or special)
