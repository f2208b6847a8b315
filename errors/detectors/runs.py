"""D2: failures of neighbouring items, and D3: whether failures clump at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import comb, exp, log, sqrt

from errors.detectors.findings import Finding, Stream, Summary, build_finding
from errors.detectors.statistics import log_comb

MIN_RUN = 3
EXACT_UP_TO = 5_000
MAX_LISTED = 20
MIN_OF_EACH = 20
LEAST_Z = 3.29
"""Standard deviations off the mean from which failures clump, or alternate: chance gets there once in a thousand."""
LIKE_CHANCE = "Failures are scattered like chance."


def longest_run_tail(total: int, failures: int, run: int) -> float:
    """P(the longest run of failures is `run` or more); exact up to 5,000 items, beyond them an upper bound."""
    if run > failures:
        return 0.0
    if total > EXACT_UP_TO:
        bound = log(total - failures + 1) + log_comb(total - run, total - failures) - log_comb(total, failures)
        return min(1.0, exp(bound))
    ways = sum(
        (-1) ** (j + 1) * comb(total - failures + 1, j) * comb(total - j * run, total - failures)
        for j in range(1, failures // run + 1)
    )
    return ways / comb(total, failures)


def runs_of(failed: Sequence[int]) -> Iterator[Sequence[int]]:
    """Failures without a gap between them, three or more."""
    for _, members in groupby(enumerate(failed), lambda pair: pair[1] - pair[0]):
        run = [position for _, position in members]
        if len(run) >= MIN_RUN:
            yield run


def long_runs(summary: Summary) -> list[Finding]:
    """The longest runs of every stream; a run that chance makes too is listed as one that may be chance."""
    return [finding for stream in summary.streams for finding in of_stream(stream, summary)]


def of_stream(stream: Stream, summary: Summary) -> list[Finding]:
    if len(stream.failed) == summary.total:
        return []
    runs = sorted(runs_of(summary.ranks_of(stream.failed)), key=lambda run: (-len(run), run[0]))[:MAX_LISTED]
    longest = [[summary.item_at(rank) for rank in run] for run in runs]
    tails = {size: longest_run_tail(summary.total, len(stream.failed), size) for size in {len(run) for run in longest}}
    return [
        build_finding(
            "run",
            stream,
            summary.total,
            run,
            len(run),
            tails[len(run)],
            f"{len(run):,} in a row from {run[0]:,}",
            f"items in a row from {run[0]:,}",
            alpha=summary.alpha,
            start=run[0],
            end=run[-1],
        )
        for run in longest
    ]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Runs of equal outcomes against what chance makes of them: z below zero is clumped, above zero alternating."""

    runs: int
    mean: float
    variance: float

    @property
    def z(self) -> float:
        off = self.runs - self.mean
        if abs(off) <= 0.5 or not self.variance:
            return 0.0
        return (off - 0.5 if off > 0 else off + 0.5) / sqrt(self.variance)


def scatter(failed: Sequence[int], total: int) -> Scatter | None:
    """Wald and Wolfowitz's count of runs; none for a batch that is all one outcome."""
    ones, zeros = len(failed), total - len(failed)
    if not ones or not zeros:
        return None
    groups = 1 + sum(b - a > 1 for a, b in pairwise(failed))
    changes = 2 * groups - (failed[0] == 0) - (failed[-1] == total - 1)
    product = 2 * ones * zeros
    return Scatter(1 + changes, 1 + product / total, product * (product - total) / (total**2 * (total - 1)))


def scattered(failed: Sequence[int], total: int) -> str:
    """One sentence for the page; never a finding of its own."""
    runs = scatter(failed, total)
    if runs is None or min(len(failed), total - len(failed)) < MIN_OF_EACH:
        return ""
    if runs.z < -LEAST_Z:
        return "Failures lie together more than chance would put them."
    if runs.z > LEAST_Z:
        return "Failures alternate with successes more than chance would make them."
    return LIKE_CHANCE
