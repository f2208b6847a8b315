"""Which failures a finding counted, in words: its numbers leave the others out."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.text import Truncator

from errors.detectors.findings import EVERYTHING

TITLE_LENGTH = 60


def counted_text(stream: str, titles: Mapping[str, str]) -> str:
    """`stream` is a group's fingerprint, a category, or "any"; `titles` names groups. Empty: all failures counted."""
    if stream == EVERYTHING:
        return ""
    return f"only “{Truncator(titles[stream]).chars(TITLE_LENGTH)}”" if stream in titles else f"{stream} errors only"
