"""Addresses of rows: a page has hundreds, of a few patterns, and `reverse` would look each of them up anew."""

from __future__ import annotations

from functools import lru_cache
from itertools import zip_longest
from urllib.parse import quote

from django.urls import URLResolver, get_resolver, get_script_prefix, get_urlconf, reverse

PLACE = "PLACE-OF-ARGUMENT"
UNQUOTED = "!$&'()*+,;=/~:@"
"""What `reverse` leaves as it is."""


def address(name: str, *arguments: str) -> str:
    """What `reverse` gives for arguments that its pattern takes as text, as ids and fingerprints are."""
    pieces = pieces_of(get_resolver(get_urlconf()), get_script_prefix(), name, len(arguments))
    quoted = (quote(argument, safe=UNQUOTED) for argument in arguments)
    return "".join(part for pair in zip_longest(pieces, quoted, fillvalue="") for part in pair)


@lru_cache(maxsize=256)
def pieces_of(resolver: URLResolver, script_prefix: str, name: str, arguments: int) -> list[str]:
    """The address between its arguments, of the resolver and the prefix that are in force."""
    return reverse(name, args=[PLACE] * arguments).split(PLACE)
