"""The arithmetic under the detectors: exact tails in logarithms, with nothing but the standard library."""

from __future__ import annotations

from math import exp, inf, lgamma, log


def log_comb(n: int, k: int) -> float:
    """ln of n over k; minus infinity where there is no way to choose."""
    return -inf if k < 0 or k > n else lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def llr(c: int, n: int, failures: int, total: int) -> float:
    """Kulldorff's Bernoulli log-likelihood ratio: c of n failed here, `failures` of `total` everywhere."""
    cells = (
        (c, n),
        (n - c, n),
        (failures - c, total - n),
        (total - n - failures + c, total - n),
    )
    apart = sum(part * log(part / whole) for part, whole in cells if part > 0)
    return apart - sum(part * log(part / total) for part in (failures, total - failures) if part > 0)


def log_hypergeometric(c: int, total: int, failures: int, n: int) -> float:
    """ln P(exactly c of the failures are among n items drawn at random)."""
    return log_comb(failures, c) + log_comb(total - failures, n - c) - log_comb(total, n)


def tail(c: int, total: int, failures: int, n: int) -> float:
    """P(c or more of the failures are among n items drawn at random): one-sided Fisher.

    Summed on the side away from the mean, where the terms only get smaller.
    """
    lowest, highest = max(0, n + failures - total), min(n, failures)
    if c <= lowest:
        return 1.0
    if c > highest:
        return 0.0
    if c > failures * n / total:
        return min(1.0, exp(log_hypergeometric(c, total, failures, n)) * rising(c, highest, total, failures, n))
    below = exp(log_hypergeometric(c - 1, total, failures, n)) * falling(c - 1, lowest, total, failures, n)
    return min(1.0, max(0.0, 1.0 - below))


def rising(c: int, highest: int, total: int, failures: int, n: int) -> float:
    """The sum of the terms from c upwards, in units of the first."""
    term = added = 1.0
    for k in range(c, highest):
        term *= (failures - k) * (n - k) / ((k + 1) * (total - failures - n + k + 1))
        added += term
        if term < added * 1e-17:
            break
    return added


def falling(c: int, lowest: int, total: int, failures: int, n: int) -> float:
    """The sum of the terms from c downwards, in units of the first."""
    term = added = 1.0
    for k in range(c, lowest, -1):
        term *= k * (total - failures - n + k) / ((failures - k + 1) * (n - k + 1))
        added += term
        if term < added * 1e-17:
            break
    return added
