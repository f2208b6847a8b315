"""Lengths of time as people read them: roughly, precisely, or in words."""

from __future__ import annotations

import math

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def rough(seconds: float) -> str:
    """`45s`, `2m`, `1h 5m`, `2d 3h`: rounded, seconds up."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes}m" if minutes else f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h" if hours else f"{days}d"


def spaced(text: str) -> str:
    """A rough length as pages write it: `2 m` for `2m`."""
    return "".join(f" {letter}" if letter.isalpha() else letter for letter in text)


def precise(seconds: float) -> str:
    """`12.3 s`, `0.25 s`, `8 ms`."""
    if seconds < 0.001:
        return "less than 1 ms"
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:,.1f} s" if seconds >= 10 else f"{seconds:.2f} s"


def in_words(seconds: float) -> str:
    """`2 hours`, `1 minute`, `90 seconds`: in the largest unit that it is a multiple of."""
    for size, name in UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {name}{'' if seconds == size else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"
