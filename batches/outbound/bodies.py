"""The body of an answer: one content coding at most, and at most 1 MiB of it, before and after decoding."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from batches.outbound.refusals import OutboundRefused

MAX_BODY = 1024 * 1024
ACCEPTED = "gzip, deflate"
"""The codings that `decoded` reads, as `Accept-Encoding` names them."""
GZIP, ZLIB, RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def bounded(pieces: Iterable[bytes]) -> bytes:
    """The pieces together; `OutboundRefused` as soon as they are more than 1 MiB."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > MAX_BODY:
            raise too_long()
    return bytes(body)


def decoded(body: bytes, content_encoding: str) -> bytes:
    """The body without its content coding; `OutboundRefused` for several, for unknown ones, and for more than 1 MiB."""
    codings = [name for name in (part.strip().lower() for part in content_encoding.split(",")) if name]
    if not body or codings in ([], ["identity"]):
        return body
    if len(codings) > 1:
        raise OutboundRefused("The answer is encoded more than once.")
    if codings[0] in ("gzip", "x-gzip"):
        return inflated(body, GZIP)
    if codings[0] == "deflate":  # some send it without the wrapper that the standard asks for
        return inflated(body, ZLIB if is_wrapped(body) else RAW_DEFLATE)
    raise OutboundRefused(f"The answer is encoded as {codings[0][:40]!r}, which was not asked for.")


def is_wrapped(body: bytes) -> bool:
    """Whether it begins as zlib does (RFC 1950): the method is deflate, and the first two bytes divide by 31."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0


def inflated(body: bytes, window: int) -> bytes:
    stream = zlib.decompressobj(window)
    try:
        text = stream.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise OutboundRefused(f"The answer cannot be decoded: {error}") from None
    if len(text) > MAX_BODY:
        raise too_long()
    if not stream.eof:
        raise OutboundRefused("The answer cannot be decoded: it was cut short.")
    return text


def too_long() -> OutboundRefused:
    return OutboundRefused(f"The answer is longer than {MAX_BODY:,} bytes.")
