"""Small pictures as paths of SVG: drawn by the server, so that they are there without JavaScript and at first paint."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 2.0
"""Pixels that one failure among a thousand items still has."""


def bars(counts: Sequence[float], height: float, least: float = LEAST) -> str:
    """One path of bars, one unit wide each, standing on the bottom of a box of that height."""
    top = max(counts, default=0) or 1
    return "".join(
        f"M{place} {height:g}v-{max(least, height * n / top):.4g}h1v{max(least, height * n / top):.4g}z"
        for place, n in enumerate(counts)
        if n
    )


def strip(bins: Sequence[Sequence[int]], order: Sequence[int], height: float) -> dict[int, str]:
    """Outcome -> one path: every bin is a column of full height, its outcomes stacked from below in that order.

    The last outcome of the order gives way to those below it, which have two pixels at least.
    """
    paths = dict.fromkeys(order, "")
    for place, one in enumerate(bins):
        size = sum(one) or 1
        bottom = height
        for outcome in order:
            if not one[outcome] or bottom <= 0:
                continue
            tall = bottom if outcome == last_of(one, order) else max(LEAST, height * one[outcome] / size)
            tall = min(tall, bottom)
            paths[outcome] += f"M{place} {bottom:.4g}v-{tall:.4g}h1v{tall:.4g}z"
            bottom -= tall
    return paths


def last_of(one: Sequence[int], order: Sequence[int]) -> int:
    return next(outcome for outcome in reversed(order) if one[outcome])


def ticks(stretches: Sequence[Sequence[float]], start: float, whole: float, width: float = 1_000) -> str:
    """One path of stretches on a line, so many units wide; each can be seen, however short it is."""
    path = ""
    for first, last in stretches:
        left = width * (first - start) / (whole or 1)
        path += f"M{min(left, width - 2):.5g} 0h{max(2.0, width * (last - first) / (whole or 1)):.4g}v6h-"
        path += f"{max(2.0, width * (last - first) / (whole or 1)):.4g}z"
    return path
