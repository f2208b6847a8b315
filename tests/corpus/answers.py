"""Answers of other systems that attack: that burst when they are decoded, that never end, or that lead inside."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

from batches.outbound import MAX_BODY

PIECES = 60  # with the pauses below six times the timeout; whoever waits for the end gets a good answer
PAUSE = 0.05
HEAD = b"HTTP/1.1 200 OK\r\n"


def header_lines() -> Iterable[bytes]:
    return [HEAD, *[b"X-Wait: more\r\n"] * PIECES, b"Content-Length: 0\r\n\r\n"]


def early_hints() -> Iterable[bytes]:
    return [*[b"HTTP/1.1 103 Early Hints\r\n\r\n"] * PIECES, HEAD + b"Content-Length: 0\r\n\r\n"]


def body_bytes() -> Iterable[bytes]:
    return [HEAD + b"Content-Length: %d\r\n\r\n" % PIECES, *[b"x"] * PIECES]


def chunks() -> Iterable[bytes]:
    return [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * PIECES, b"0\r\n\r\n"]


DRIPS = (header_lines, early_hints, body_bytes, chunks)
"""What comes piece by piece for longer than anybody waits."""
ZEROS = b"0" * 20_000_000
BOMBS = [
    ("gzip, gzip", gzip.compress(gzip.compress(ZEROS[:10_000_000])), "more than once"),
    ("deflate, gzip", gzip.compress(zlib.compress(ZEROS[:10_000_000])), "more than once"),
    ("gzip, identity", gzip.compress(ZEROS[:10_000_000]), "more than once"),
    ("gzip", gzip.compress(ZEROS), "longer than"),
    ("x-gzip", gzip.compress(ZEROS), "longer than"),
    ("GZip", gzip.compress(ZEROS), "longer than"),
    ("deflate", zlib.compress(ZEROS), "longer than"),
    ("gzip", b"no gzip", "cannot be decoded"),
    ("deflate", b"no deflate", "cannot be decoded"),
    ("gzip", gzip.compress(b"well", mtime=0)[:-9], "cut short"),
    ("br", b"well", "not asked for"),
    ("zstd", b"well", "not asked for"),
    ("compress", b"well", "not asked for"),
    ("no-such-coding", b"well", "not asked for"),
    ("identity", b"x" * (MAX_BODY + 1), "longer than"),
]
"""A content coding, a body, and words of the refusal."""
LOCATIONS = [
    *("http://[::1", "http://xn--a.example/", "//", "http://h:99999/", "http://127.0.0.1:1/", "//127.0.0.1:1/"),
    *("http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://2130706433/", "http://localhost/"),
    *("file:///etc/passwd", "gopher://127.0.0.1/", "http://user:password@127.0.0.1/", "http://0177.0.0.1/"),
]
"""Where a redirect leads that is not followed, with every public host allowed."""
