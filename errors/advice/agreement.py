"""Whole retries beside each other: as much as they differed, more than luck alone makes them, the next one may."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, lgamma, log

from errors.advice.evidence import Tried
from errors.advice.posterior import DRIFT, PRIOR, Share, share_with

SIZES = tuple(2.0**power for power in range(11))
"""How alike retries may be: their shares are spread as those of so many items, each drawn alone."""
USUAL_SPREAD = 0.15
"""Half-Cauchy prior of the standard deviation between shares about one half: that two or three retries came out alike
may be luck, and does not say that the next will."""


@lru_cache(maxsize=256)
def share_of_units(units: tuple[Tried, ...]) -> Share:
    """The share that passes at the next retry. Each size is weighed by how well it explains these."""
    fitted = [fit(units, size) for size in SIZES]
    weights = weights_of([likelihood for _, _, likelihood in fitted])
    mean = sum(weight * mean for weight, (mean, _, _) in zip(weights, fitted, strict=True))
    squares = ((variance + (each - mean) ** 2) for each, variance, _ in fitted)
    return share_with(mean, sum(w * square for w, square in zip(weights, squares, strict=True)))


@lru_cache(maxsize=256)
def shares_beside(own: Tried, units: tuple[Tried, ...]) -> list[Share]:
    """The share that passes of a batch of which some items were retried already, `own`, beside whole retries of others.

    One for each of `SIZES`. The better the batch fits in with the others, the more they tell of it; where it differs
    from them, spreads that are wide enough for it are the likely ones, and what it shows itself decides.
    """
    tried, passed = own
    counted = 1 / (1 + tried * DRIFT)
    before, likelihoods = [], []
    for mean, variance, likelihood in (fit(units, size) for size in SIZES):
        before.append(share_with(mean, variance))
        likelihoods.append(likelihood + log_chance(tried, passed, before[-1].a, before[-1].b))
    return [
        Share(share.a + passed * counted, share.b + (tried - passed) * counted, weight)
        for share, weight in zip(before, weights_of(likelihoods), strict=True)
    ]


def weights_of(likelihoods: Sequence[float]) -> list[float]:
    """Of logarithms; they sum up to 1."""
    best = max(likelihoods)
    weights = [exp(likelihood - best) for likelihood in likelihoods]
    return [weight / sum(weights) for weight in weights]


def fit(units: Sequence[Tried], size: float) -> tuple[float, float, float]:
    """Mean and variance of the next retry's share, and how likely `size` is: a logarithm, the mean integrated out."""
    counted = [(tried, passed, (size + 1) / (size + tried)) for tried, passed in units]
    a = PRIOR + sum(passed * weight for _, passed, weight in counted)
    b = PRIOR + sum((tried - passed) * weight for tried, passed, weight in counted)
    mean = a / (a + b)
    unsure = mean * (1 - mean) / (a + b + 1)
    likelihood = sum(log_chance(tried, passed, mean * size, (1 - mean) * size) for tried, passed in units)
    return (
        mean,
        mean * (1 - mean) / (size + 1) + unsure * size / (size + 1),
        likelihood + log(unsure) / 2 + log_prior(size),
    )


def log_prior(size: float) -> float:
    """ln of the prior of one of `SIZES`, which are steps of equal length in the logarithm of the spread."""
    spread = 0.5 / (size + 1) ** 0.5
    return log(spread) - log(1 + (spread / USUAL_SPREAD) ** 2)


def log_chance(tried: int, passed: int, a: float, b: float) -> float:
    """ln P(`passed` of `tried` items pass in one order), each with one share drawn from Beta(a, b)."""
    return (
        lgamma(a + passed) + lgamma(b + tried - passed) - lgamma(a + b + tried) - lgamma(a) - lgamma(b) + lgamma(a + b)
    )
