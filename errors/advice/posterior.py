"""What may come of items still to be tried, from what came of others: intervals of the outcome, not of the share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from math import exp, lgamma, log

Interval = tuple[int, int, int]
"""Low, middle and high, in items."""
Distribution = Callable[[float], float]
MASS = 0.9
"""Probability of an interval: it has the likeliest outcomes, so that it is no wider than it must be."""
PRIOR = 0.5
"""Jeffreys' prior: half an item that passed, and half an item that did not."""
DRIFT = 0.005
"""Two retries are never made under quite the same conditions: evidence counts for 1 / DRIFT items at most."""
EXACT_UP_TO = 400
SPLITS = 8
"""In how many ways what lies outside is divided between the two ends."""
NEWTON_STEPS, MOST_STEPS, PRECISION = 15, 60, 1e-10
"""Of a quantile; shares are rounded to items, of which there may be millions."""
FRACTION_TERMS = 200
LEAST_VARIANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Share:
    """What is known of the share that passes: Beta(a, b); `weight` is the probability of this one among several."""

    a: float
    b: float
    weight: float = 1.0

    @property
    def whole(self) -> float:
        return self.a + self.b


def share_of(passed: float, tried: float) -> Share:
    weight = 1 / (1 + tried * DRIFT)
    return Share(PRIOR + passed * weight, PRIOR + (tried - passed) * weight)


def share_with(mean: float, variance: float, weight: float = 1.0) -> Share:
    mean = min(1 - LEAST_VARIANCE, max(LEAST_VARIANCE, mean))
    size = max(LEAST_VARIANCE, mean * (1 - mean) / max(LEAST_VARIANCE, variance) - 1)
    return Share(mean * size, (1 - mean) * size, weight)


def outcome(items: int, passed: float, tried: float) -> Interval:
    """Of `items`, how many pass if `passed` of `tried` did: the posterior predictive (beta-binomial) interval."""
    low, mid, high = outcome_of_shares(items, [share_of(passed, tried)])
    return low, min(high, max(low, round(items * passed / tried))) if tried else mid, high


def outcome_of_shares(items: int, shares: Sequence[Share]) -> Interval:
    """Of `items`, each passing with one unknown share; the weights of `shares` sum up to 1."""
    return outcome_of(items, tuple(shares))


@lru_cache(maxsize=4096)
def outcome_of(items: int, shares: tuple[Share, ...]) -> Interval:
    """A page asks for the same again and again: for each group with and without what cannot pass, at each look."""
    if items <= EXACT_UP_TO:
        return likeliest(chances(items, shares))
    spread = [with_spread(items, share) for share in shares]

    def below(x: float) -> float:
        return sum(share.weight * beta_below(x, share.a, share.b) for share in spread)

    def density(x: float) -> float:
        return sum(share.weight * beta_density(x, share.a, share.b) for share in spread)

    low, mid, high = (round(items * bound) for bound in shortest(below, density))
    return low, mid, high


def chances(items: int, shares: Sequence[Share]) -> list[float]:
    """P(exactly 0, 1, 2, … of the items pass)."""
    columns = zip(*(beta_binomial(items, share) for share in shares), strict=True)
    return [sum(column) for column in columns]


def beta_binomial(items: int, share: Share) -> list[float]:
    """Times the weight of the share. In logarithms, as the chance of none alone may be too small for a number."""
    a, b = share.a, share.b
    none = lgamma(b + items) - lgamma(b) - lgamma(a + b + items) + lgamma(a + b)
    ratios = ((items - k) * (a + k) / ((k + 1) * (b + items - k - 1)) for k in range(items))
    return [share.weight * exp(term) for term in accumulate(map(log, ratios), initial=none)]


def likeliest(chance: Sequence[float]) -> Interval:
    """The outcomes that are left when the less likely end is cut off again and again; the median is in the middle."""
    low, high, spare = 0, len(chance) - 1, sum(chance) - MASS
    while low < high and (least := min(chance[low], chance[high])) <= spare:
        spare -= least
        low, high = (low + 1, high) if chance[low] <= chance[high] else (low, high - 1)
    middle = next(k for k, reached in enumerate(accumulate(chance)) if reached >= sum(chance) / 2)
    return low, min(high, max(low, middle)), high


def shortest(below: Distribution, density: Distribution) -> tuple[float, float, float]:
    """As `likeliest`, of a share; `below` is its distribution, and `density` its derivative."""
    tails = [(1 - MASS) * split / SPLITS for split in range(SPLITS + 1)]
    at = partial(quantile, below, density)
    ends = [(at(tail) if tail else 0.0, at(tail + MASS)) for tail in tails[:-1]]
    low, high = min([*ends, (at(tails[-1]), 1.0)], key=lambda pair: pair[1] - pair[0])
    return low, min(high, max(low, at(0.5))), high


def with_spread(items: int, share: Share) -> Share:
    """The Beta of the share that really passes: wider, by how far so many items stray."""
    size = max(1e-3, items * (share.whole + 1) / (share.whole + items) - 1)
    return Share(size * share.a / share.whole, size * share.b / share.whole, share.weight)


def quantile(below: Distribution, density: Distribution, at: float) -> float:
    """Newton's method within what is left of 0 to 1; by halving where that leads out, or has not led there soon."""
    low, high, x = 0.0, 1.0, 0.5
    for step in range(1, MOST_STEPS):
        above, slope = below(x) - at, density(x)
        low, high = (x, high) if above < 0 else (low, x)
        better = x - above / slope if slope > 0 and step <= NEWTON_STEPS else low
        if high - low < PRECISION or (slope > 0 and abs(above) < PRECISION * slope):
            break
        x = better if low < better < high else (low + high) / 2
    return x


def beta_density(x: float, a: float, b: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + (a - 1) * log(x) + (b - 1) * log(1 - x))


def beta_below(x: float, a: float, b: float) -> float:
    """P(Beta(a, b) <= x): the regularised incomplete beta function, as a continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a
    return front * continued_fraction(x, a, b)


def continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method."""
    c, d = 1.0, 1 / away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, FRACTION_TERMS):
        before = result
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / away_from_zero(1 + term * d)
            c = away_from_zero(1 + term / c)
            result *= d * c
        if abs(result - before) < 1e-12 * abs(result):
            break
    return result


def away_from_zero(number: float) -> float:
    return number if abs(number) > 1e-30 else 1e-30
