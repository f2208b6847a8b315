"""Patterns that are compiled with their first use: those of messages take 50 ms, and most processes see no failure."""

from __future__ import annotations

import re
from typing import Any, cast


class LatePattern:
    """Looks up what is asked of the compiled pattern, and keeps it, so that the second time costs nothing."""

    def __init__(self, text: str, flags: re.RegexFlag) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, value)
        return value


def late_pattern(text: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """As `re.compile`, for a pattern of whose methods and attributes alone is made use."""
    return cast("re.Pattern[str]", LatePattern(text, flags))
