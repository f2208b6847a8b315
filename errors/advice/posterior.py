"""What may come of items still to be tried, from what came of others: intervals of the outcome, not of the share."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log
from statistics import variance

Interval = tuple[int, int, int]
"""Low, middle and high, in items."""
TAIL = 0.025
"""Outcomes below the low end, or above the high one, are this unlikely."""
PRIOR = 0.5
"""Jeffreys' prior: half an item that passed, and half an item that did not."""
DRIFT = 0.005
"""Two retries are never made under quite the same conditions: evidence counts for 1 / DRIFT items at most."""
EXACT_UP_TO = 400
HALVINGS = 50
FRACTION_TERMS = 200


def outcome(items: int, passed: float, tried: float) -> Interval:
    """Of `items`, how many pass if `passed` of `tried` did: the posterior predictive (beta-binomial) interval."""
    weight = 1 / (1 + tried * DRIFT)
    low, mid, high = outcome_of_beta(items, PRIOR + passed * weight, PRIOR + (tried - passed) * weight)
    return low, min(high, max(low, round(items * passed / tried))) if tried else mid, high


def outcome_of_beta(items: int, a: float, b: float) -> Interval:
    """Of `items`, each passing with one unknown share whose density is Beta(a, b)."""
    mid = round(items * a / (a + b))
    if items <= EXACT_UP_TO:
        low, high = exact_bounds(items, a, b)
    else:
        a, b = with_spread(items, a, b)
        low, high = (round(items * quantile(a, b, at)) for at in (TAIL, 1 - TAIL))
    return min(low, mid), mid, max(high, mid)


def exact_bounds(items: int, a: float, b: float) -> tuple[int, int]:
    low, high, reached = None, items, 0.0
    term = exp(lgamma(b + items) - lgamma(b) - lgamma(a + b + items) + lgamma(a + b))
    for k in range(items + 1):
        reached += term
        low = k if low is None and reached >= TAIL else low
        if reached >= 1 - TAIL:
            high = k
            break
        term *= (items - k) * (a + k) / ((k + 1) * (b + items - k - 1))
    return low or 0, high


def with_spread(items: int, a: float, b: float) -> tuple[float, float]:
    """The Beta of the share that really passes: wider, by how far so many items stray."""
    whole = a + b
    size = max(1e-3, items * (whole + 1) / (whole + items) - 1)
    return size * a / whole, size * b / whole


def outcome_of_units(items: int, units: Sequence[tuple[int, int]]) -> Interval:
    """From whole retries, (tried, passed) each: how much they differ among each other is how much the next one may."""
    shares = [(passed + PRIOR) / (tried + 2 * PRIOR) for tried, passed in units]
    mean = (sum(shares) + PRIOR) / (len(shares) + 2 * PRIOR)
    spread = max(variance(shares), 1e-4) * (1 + 1 / len(shares)) + 0.05 / len(shares) ** 2
    size = max(0.5, mean * (1 - mean) / spread - 1)
    return outcome_of_beta(items, mean * size, (1 - mean) * size)


def quantile(a: float, b: float, at: float) -> float:
    """Of Beta(a, b), by halving."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, a, b) < at else (low, middle)
    return (low + high) / 2


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
