"""Small pictures as paths of SVG: drawn by the server, so that they are there without JavaScript and at first paint."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 2.0
"""Pixels of height or width that the smallest number still has."""


def bars(counts: Sequence[float], height: float, least: float = LEAST) -> str:
    """One path of bars, one unit wide each, standing on the bottom of a box of that height in pixels."""
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
    for place, counts in enumerate(bins):
        size = sum(counts) or 1
        bottom = height
        for outcome in order:
            if not counts[outcome] or bottom <= 0:
                continue
            tall = bottom if outcome == topmost(counts, order) else max(LEAST, height * counts[outcome] / size)
            tall = min(tall, bottom)
            paths[outcome] += f"M{place} {bottom:.4g}v-{tall:.4g}h1v{tall:.4g}z"
            bottom -= tall
    return paths


def topmost(counts: Sequence[int], order: Sequence[int]) -> int:
    """The last outcome of the order of which there are any."""
    return next(outcome for outcome in reversed(order) if counts[outcome])


def ticks(stretches: Sequence[Sequence[float]], start: float, whole: float, width: float = 1_000) -> str:
    """One path of (first, last) stretches on a line that begins at `start`, is `whole` long, and drawn `width` units
    wide; each can be seen, however short it is."""
    scale, path = width / (whole or 1), ""
    for first, last in stretches:
        left, wide = min(scale * (first - start), width - LEAST), max(LEAST, scale * (last - first))
        path += f"M{left:.5g} 0h{wide:.4g}v6h-{wide:.4g}z"
    return path
