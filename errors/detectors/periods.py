"""D4: failures at a fixed place of every m items, like every 7th, or the last of each chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import lcm

from batches.wording import ordinal
from errors.detectors.findings import Finding, Stream, Summary, build_finding
from errors.detectors.statistics import llr, tail

PERIODS = range(2, 65)
USUAL_SIZES = (100, 128, 250, 256, 500, 512, 1000)
MIN_FAILURES = 5
MIN_RISK = 2.0
MAX_MODULUS = 20_000
"""Up to which residues of several periods are counted together."""


@dataclass(frozen=True, slots=True)
class Period:
    """Items with index % period == residue: `failed` of `size`; `p` is adjusted for all residues tried."""

    period: int
    residue: int
    failed: int
    size: int
    llr: float
    p: float


def best_period(
    failed: Sequence[int],
    total: int,
    alpha: float,
    sizes: Iterable[int] = (),
    positions: Sequence[int] | None = None,
) -> Period | None:
    """The period and residue with the highest likelihood ratio, if it is unlikely to be chance, of `total` items that
    stand at these positions, or at 0..total-1.

    Multiples of the true period cover fewer failures and divisors dilute it, so both score lower.
    """
    tried = sorted({m for m in (*PERIODS, *sizes) if 2 <= m <= total / 4})
    best = max(
        candidates(failed, total, tried, positions), key=lambda candidate: (candidate[-1], -candidate[0]), default=None
    )
    if best is None:
        return None
    period, residue, count, size, score = best
    p = tail(count, total, len(failed), size) * sum(tried)
    return Period(period, residue, count, size, score, p) if p <= alpha else None


def candidates(
    failed: Sequence[int], total: int, tried: Iterable[int], positions: Sequence[int] | None = None
) -> Iterator[tuple[int, int, int, int, float]]:
    """(period, residue, failures, items, likelihood ratio) of the residues that fail at twice the overall rate."""
    failures = len(failed)
    if not failures or failures * MIN_RISK > total:
        return
    absent = absent_from(positions) if positions is not None else ()
    for period, counts in residues(failed, tried):
        residue, count = max(counts.items(), key=lambda counted: (counted[1], -counted[0]))
        size = (total + len(absent) - residue - 1) // period + 1
        size -= sum(position % period == residue for position in absent)
        if count >= MIN_FAILURES and count * total >= MIN_RISK * failures * size:
            yield period, residue, count, size, llr(count, size, failures, total)


def residues(failed: Sequence[int], periods: Iterable[int]) -> Iterator[tuple[int, Counter[int]]]:
    """Each period with the failures by residue, counted once for all periods that divide one number."""
    for modulus, divisors in common_multiples(periods).items():
        counts = Counter(map(modulus.__rmod__, failed))
        for period in divisors:
            folded: Counter[int] = Counter()
            for residue, count in counts.items():
                folded[residue % period] += count
            yield period, folded


def common_multiples(periods: Iterable[int]) -> dict[int, list[int]]:
    """A few numbers, each with the periods among these that divide it."""
    multiples: dict[int, list[int]] = {}
    for period in sorted(periods, reverse=True):
        fitting = (modulus for modulus in multiples if lcm(modulus, period) <= MAX_MODULUS)
        modulus = min(fitting, key=lambda modulus: lcm(modulus, period), default=1)
        divisors = multiples.pop(modulus, [])
        multiples[lcm(modulus, period)] = [*divisors, period]
    return multiples


def absent_from(positions: Sequence[int]) -> Sequence[int]:
    """Positions up to the last of these that are none of them."""
    present = set(positions)
    return [position for position in range(positions[-1] + 1) if position not in present] if positions else ()


def periodic(summary: Summary) -> list[Finding]:
    """The best period of every stream."""
    best = ((stream, of_stream(stream, summary)) for stream in summary.streams if stream.failed)
    return [described(stream, period, summary.total) for stream, period in best if period is not None]


def of_stream(stream: Stream, summary: Summary) -> Period | None:
    return best_period(stream.failed, summary.total, summary.alpha, summary.sizes, summary.positions)


def described(stream: Stream, period: Period, total: int) -> Finding:
    m, r = period.period, period.residue
    place = {m - 1: f"the last of each {m}", 0: f"the first of each {m}"}.get(r, f"from {r}")
    text = f"every {ordinal(m)} item, {place}"
    return build_finding(
        "period",
        stream,
        total,
        [position for position in stream.failed if position % m == r],
        period.size,
        period.p,
        text,
        f"items that are {text}",
        period=m,
        residue=r,
    )
