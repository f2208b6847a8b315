"""D1: stretches of items, by position or in time, in which far more failed than elsewhere."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import exp, log

from errors.detectors.findings import Finding, Stream, Summary, build_finding, span

MIN_FAILURES = 5
RATES = (0.5, 0.9, 0.99)
ROUNDING = 1e-6
"""Of a score: sums in another order."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions start..end, both failures; `expected` is how many as extreme chance alone would make."""

    start: int
    end: int
    failed: int
    score: float
    expected: float

    @property
    def size(self) -> int:
        return self.end - self.start + 1


def hot_segments(failed: Sequence[int], total: int, alpha: float) -> list[Segment]:
    """The best-scoring segments that do not overlap and are unlikely to be chance, from left to right.

    For each alternative rate the score is a likelihood ratio, so P(sup >= e^x) <= e^-x from any start (Ville); the
    union over starts and alternatives is the bound.
    """
    if not failed or len(failed) == total:
        return []
    rate = len(failed) / total
    rates = [p for p in sorted({min(0.5, 5 * rate), *RATES}) if p >= 1.5 * rate]
    least = log(total * len(rates) / alpha) - ROUNDING if rates else 0.0
    steps = ((log(p / rate), log((1 - p) / (1 - rate))) for p in rates)
    segments = [
        Segment(start, end, failures, score, total * len(rates) * exp(-score))
        for gain, loss in steps
        if highest(failed, gain, loss) >= least
        for start, end, failures, score in maximal(failed, gain, loss)
        if failures >= MIN_FAILURES and total * len(rates) * exp(-score) <= alpha
    ]
    return sorted(without_overlap(segments), key=lambda segment: segment.start)


def highest(failed: Sequence[int], gain: float, loss: float) -> float:
    """The score of the best segment alone: mostly it is too low, and no other need be looked for."""
    best = score = 0.0
    before = failed[0] - 1
    for position in failed:
        score += loss * (position - before - 1)
        score = gain if score < 0 else score + gain
        if score > best:
            best = score
        before = position
    return best


def maximal(failed: Sequence[int], gain: float, loss: float) -> list[tuple[int, int, int, float]]:
    """All maximal-scoring disjoint segments, (start, end, failures, score), in time linear in the failures.

    Ruzzo and Tompa, "A linear time algorithm for finding all maximal scoring subsequences", 1999. The successes
    between two failures count as one step.
    """
    starts: list[int] = []  # index into `failed` where each candidate begins
    ends: list[int] = []
    lefts: list[float] = []  # the sum before each candidate, and after it
    rights: list[float] = []
    links: list[int] = []  # the nearest candidate to the left whose left sum is smaller
    total = 0.0
    for n, position in enumerate(failed):
        if n:
            total += loss * (position - failed[n - 1] - 1)
        start, left, total = n, total, total + gain
        link = len(starts) - 1
        while True:
            while link >= 0 and lefts[link] >= left:
                link = links[link]
            if link < 0 or rights[link] >= total:
                break
            start, left = starts[link], lefts[link]
            del starts[link:], ends[link:], lefts[link:], rights[link:]
            link = links[link]
            del links[len(starts) :]
        starts.append(start)
        ends.append(n)
        lefts.append(left)
        rights.append(total)
        links.append(link)
    return [
        (failed[start], failed[end], end - start + 1, right - left)
        for start, end, left, right in zip(starts, ends, lefts, rights, strict=True)
    ]


def without_overlap(segments: Iterable[Segment]) -> list[Segment]:
    """The best first, each taken if it overlaps none taken before."""
    taken: list[Segment] = []
    starts: list[int] = []
    for segment in sorted(segments, key=lambda segment: -segment.score):
        at = bisect_left(starts, segment.start)
        before, after = taken[at - 1] if at else None, taken[at] if at < len(taken) else None
        if (before is None or before.end < segment.start) and (after is None or segment.end < after.start):
            taken.insert(at, segment)
            starts.insert(at, segment.start)
    return taken


def hot_ranges(summary: Summary) -> list[Finding]:
    """Hot stretches of the input."""
    return [finding for stream in summary.streams for finding in ranges_of(stream, summary)]


def ranges_of(stream: Stream, summary: Summary) -> list[Finding]:
    ranks = summary.ranks_of(stream.failed)
    return [hot_range(stream, summary, ranks, segment) for segment in segments_of(ranks, summary)]


def segments_of(failed: Sequence[int], summary: Summary) -> list[Segment]:
    return hot_segments(failed, summary.total, summary.alpha)


def hot_range(stream: Stream, summary: Summary, ranks: Sequence[int], segment: Segment) -> Finding:
    """Where the input's order is that of time as well, it has its times, too."""
    start, end = summary.item_at(segment.start), summary.item_at(segment.end)
    finding = build_finding(
        "hot range",
        stream,
        summary.total,
        [summary.item_at(rank) for rank in between(ranks, segment)],
        segment.size,
        segment.expected,
        f"items {start:,} to {end:,}",
        f"items from {start:,} to {end:,}",
        start=start,
        end=end,
        score=segment.score,
        **what_came_after(ranks, summary.ranks_of(summary.failures), segment, summary.total),
    )
    if summary.order is not None or not {start, end} <= summary.started.keys():
        return finding
    return replace(timed(finding, summary), also=(span(*ends_of(finding, summary)),))


def what_came_after(failed: Sequence[int], any_failed: Sequence[int], segment: Segment, total: int) -> dict[str, int]:
    """How many came after it, and how many of those failed so, and in any way: whether it is over, and what then."""
    return {
        "after": total - segment.end - 1,
        "after_failed": len(failed) - bisect_right(failed, segment.end),
        "after_failed_any": len(any_failed) - bisect_right(any_failed, segment.end),
    }


def timed(finding: Finding, summary: Summary) -> Finding:
    """From when the first of its failures began to when the last of them was over."""
    start, end = ends_of(finding, summary)
    over = max((summary.ended.get(item, end) for item in finding.items), default=end)
    return replace(finding, where={**finding.where, "from": start.isoformat(), "to": max(over, end).isoformat()})


def ends_of(finding: Finding, summary: Summary) -> tuple[datetime, datetime]:
    """When the first and the last of its failures began."""
    moments = [summary.started[item] for item in finding.items if item in summary.started]
    return min(moments), max(moments)


def between(failed: Sequence[int], segment: Segment) -> Sequence[int]:
    return failed[bisect_left(failed, segment.start) : bisect_right(failed, segment.end)]


def hot_times(summary: Summary) -> list[Finding]:
    """Hot stretches of time, measured in first attempts: pauses, ramps and retries at once make none."""
    if summary.order is None:
        return []
    rank = {item: n for n, item in enumerate(summary.order)}
    return [finding for stream in summary.streams for finding in times_of(stream, summary, rank)]


def times_of(stream: Stream, summary: Summary, rank: dict[int, int]) -> list[Finding]:
    failed = sorted(rank[item] for item in stream.failed)
    segments = segments_of(failed, summary)
    any_failed = sorted(rank[item] for item in summary.failures) if segments else ()
    return [hot_time(stream, summary, failed, any_failed, segment) for segment in segments]


def hot_time(
    stream: Stream, summary: Summary, failed: Sequence[int], any_failed: Sequence[int], segment: Segment
) -> Finding:
    """`failed` and `any_failed` are ranks in the order of starts, of this stream and of all failures."""
    order = summary.order or ()
    first, last = order[segment.start], order[segment.end]
    is_known = {first, last} <= summary.started.keys()
    when = span(summary.started[first], summary.started[last]) if is_known else "one stretch of time"
    finding = build_finding(
        "hot time",
        stream,
        summary.total,
        [order[n] for n in between(failed, segment)],
        segment.size,
        segment.expected,
        when if is_known else "a stretch of time",
        f"items first tried {'from' if is_known else 'in'} {when}",
        first=first,
        last=last,
        score=segment.score,
        **what_came_after(failed, any_failed, segment, summary.total),
    )
    return timed(finding, summary) if is_known else finding
