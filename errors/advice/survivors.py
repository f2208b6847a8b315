"""What failed again and again: a part of it may never pass, the rest passes with a chance each time it is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, pi, sin

from errors.advice.evidence import Tried
from errors.advice.posterior import DRIFT, Share, share_with

ONE_KIND = 0.5
"""How likely it is, before anything was tried, that there is no part that never passes."""
PARTS, CHANCES = 24, 48
"""How many sizes of such a part, and how many chances of the rest, are weighed against each other."""
LEAST_CHANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Guess:
    """`never` of the first failures never pass, each of the others passes with `chance` at each try."""

    never: float
    chance: float

    def passing(self, tries: int, again: int = 1) -> float:
        """The share that passes within `again` tries, of what failed after the first failure `tries` times more."""
        left = (1 - self.never) * (1 - self.chance) ** tries
        return left / (self.never + left) * (1 - (1 - self.chance) ** again)

    def log_likelihood(self, tries: Sequence[Tried]) -> float:
        """Of what each try brought, the first first."""
        total = 0.0
        for number, (tried, passed) in enumerate(tries):
            share = min(1 - LEAST_CHANCE, max(LEAST_CHANCE, self.passing(number)))
            total += (passed * log(share) + (tried - passed) * log(1 - share)) / (1 + tried * DRIFT)
        return total


def steps(count: int) -> Iterator[float]:
    return ((n + 0.5) / count for n in range(count))


ALIKE = [Guess(0.0, sin(pi / 2 * step) ** 2) for step in steps(CHANCES)]
"""Jeffreys' prior of the chance."""
DIVIDED = [Guess(never, guess.chance) for never in steps(PARTS) for guess in ALIKE]


@lru_cache(maxsize=256)
def shares_after(tries: tuple[Tried, ...], again: int = 1, one_kind: float = ONE_KIND) -> tuple[Share, Share]:
    """Of items that passed at none of these tries, what share passes within `again` more: of one kind, and of two."""
    alike, divided = (weighed(guesses, tries, again) for guesses in (ALIKE, DIVIDED))
    best = max(alike.best, divided.best)
    first = one_kind * exp(alike.best - best) * alike.weight
    second = (1 - one_kind) * exp(divided.best - best) * divided.weight
    return alike.share(first / (first + second)), divided.share(second / (first + second))


@dataclass(frozen=True, slots=True)
class Weighed:
    """Guesses by how well they explain what was seen: the log-likelihood of the best, and all beside it."""

    best: float
    weight: float
    mean: float
    variance: float

    def share(self, weight: float) -> Share:
        return share_with(self.mean, self.variance, weight)


def weighed(guesses: Sequence[Guess], tries: Sequence[Tried], again: int) -> Weighed:
    likelihoods = [guess.log_likelihood(tries) for guess in guesses]
    best = max(likelihoods)
    weights = [exp(likelihood - best) / len(guesses) for likelihood in likelihoods]
    passing = [guess.passing(len(tries), again) for guess in guesses]
    whole = sum(weights)
    mean = sum(weight * share for weight, share in zip(weights, passing, strict=True)) / whole
    squares = (weight * (share - mean) ** 2 for weight, share in zip(weights, passing, strict=True))
    return Weighed(best, whole, mean, sum(squares) / whole)
