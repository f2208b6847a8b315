"""Which failures are the same: a message with its variable pieces taken out, hashed with processor, class and code."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

LONGEST = 512
PIECES = (
    (re.compile(r"\bhttps?://\S+"), "<url>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "<email>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.I), "<uuid>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<ip>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b"), "<date>"),
    (re.compile(r"""(["'])(?:(?!\1).)*\d(?:(?!\1).)*\1"""), "<str>"),
    (re.compile(r"\b\w*\d\w*\b"), "<num>"),
)


def template(message: str) -> str:
    """The message's first two lines with addresses, dates, quoted values and numbers replaced by their kind."""
    text = unicodedata.normalize("NFC", message)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    short = " ⏎ ".join(lines[:2])[:LONGEST]
    for pattern, kind in PIECES:
        short = pattern.sub(kind, short)
    return short


def fingerprint(processor: str, error_type: str, code: str, key: str) -> str:
    """16 hexadecimal digits."""
    return sha256("\x1f".join(("fp0", processor, error_type, code, key)).encode()).hexdigest()[:16]
