"""What a retry should bring, learned from what earlier tries brought; where nothing tells, that is what is said."""

from __future__ import annotations

from collections.abc import Sequence

from batches.canary_sizes import canary_of
from errors.advice.agreement import share_of_units, shares_beside
from errors.advice.evidence import Evidence, Tried
from errors.advice.facts import GroupFacts, Prediction
from errors.advice.posterior import Interval, outcome, outcome_of_shares
from errors.advice.survivors import ONE_KIND, shares_after

RECOVERED = "items recovered"
NOT_KNOWN = "not known yet: nothing like it was retried so far"
NOT_KNOWN_AGAIN = "not known yet: these failed again when they were retried, and none was retried once more"
TOO_DIFFERENT = "not known yet: retries of such errors came out too differently so far"
STAYS_INVALID = "what is refused as it is stays refused"
UNCHANGED_FAILS = ("validation", "not_found", "conflict")
"""Categories whose failures depend on the rows alone: unless something is retried, none passes unchanged."""
PASSING_WITH_TIME = ("network", "upstream", "rate_limit", "timeout")
"""Automatic attempts that follow at once tell nothing of a retry later."""
LEAST_TRIED = 5
LEAST_TRIED_TWICE = 20
LEAST_EARLIER, LEAST_OF_CATEGORY = 3, 5
"""Retries elsewhere from which on they tell anything."""
OF_EARLIER_BATCHES = "retries of this error in earlier batches"
STEADY = 0.75
"""Of the share that passed one try earlier: as many as that pass again where items are of one kind."""
ONE_KIND_IF_STEADY = 0.95
"""How likely it is then."""
HARDLY_ANY = 0.05
WIDEST = 0.4
"""Of the items: what spans more says nothing that a person could plan with."""


def group_recoveries(group: GroupFacts) -> Prediction:
    """The one function behind advice, plan and confirmation page."""
    return recoveries_of(group.category, group.items, group.evidence, permanent=group.permanent >= group.items)


def recoveries_of(category: str, items: int, evidence: Evidence, *, permanent: bool = False) -> Prediction:
    """`permanent`: the items cannot pass unchanged, as far as the engine can tell."""
    for learn in (by_rounds, by_attempts, by_earlier_batches, by_category):
        if predicted := learn(category, items, evidence):
            return predicted
    if category in UNCHANGED_FAILS and (permanent or category != "conflict"):
        return Prediction(RECOVERED, 0, 0, min(items, max(1, items // 10)) if items else 0, STAYS_INVALID)
    differ = len(evidence.earlier) >= LEAST_EARLIER or len(evidence.category) >= LEAST_OF_CATEGORY
    return not_known(items, TOO_DIFFERENT if differ else NOT_KNOWN)


def not_known(items: int, basis: str = NOT_KNOWN) -> Prediction:
    """Nearly everything may come of it, and no number is most likely."""
    canary = canary_of(items)
    would_tell = f"; a canary of {canary} would tell" if canary < items else ""
    return Prediction(RECOVERED, 0, None, items, f"{basis}{would_tell}")


def recoveries(items: int, recovered: float, tried: float, basis: str) -> Prediction:
    """Of `items`, when `recovered` of `tried` came right before."""
    return predicted(outcome(items, recovered, tried), basis)


def predicted(interval: Interval, basis: str) -> Prediction:
    low, mid, high = interval
    return Prediction(RECOVERED, low, mid, high, basis)


# -- each kind of evidence ---------------------------------------------------------------------------------------------


def by_rounds(category: str, items: int, evidence: Evidence) -> Prediction | None:
    """Bulk retries of this batch: those never retried by the first of them, those that failed again by the next."""
    if not evidence.rounds or evidence.rounds[0][0] < LEAST_TRIED:
        return None
    parts = [after_rounds(n, times, evidence) for times, n in enumerate(evidence.rest_of(items)) if n]
    return total(parts) if parts else predicted((0, 0, 0), basis_of_retry(evidence.rounds[0]))


def after_rounds(items: int, times: int, evidence: Evidence) -> Prediction:
    """Of items that were retried in vain so many times."""
    rounds = [tried for tried in evidence.rounds if tried[0] >= LEAST_TRIED]
    if not times and rounds and len(evidence.earlier) >= LEAST_EARLIER:
        earlier = tuple(evidence.earlier)
        basis = f"{basis_of_retry(rounds[0])}, and {basis_of_units(earlier, OF_EARLIER_BATCHES)}"
        return predicted(outcome_of_shares(items, shares_beside(rounds[0], earlier)), basis)
    if times < len(rounds):
        return recoveries(items, rounds[times][1], rounds[times][0], basis_of_retry(rounds[times]))
    one_kind = ONE_KIND_IF_STEADY if is_steady(evidence.attempts) else ONE_KIND
    interval = outcome_of_shares(items, shares_after(tuple(rounds), one_kind=one_kind))
    if is_wide(interval, items):
        return not_known(items, NOT_KNOWN_AGAIN)
    return predicted(interval, basis_of_retry(rounds[-1]))


def is_wide(interval: Interval, items: int) -> bool:
    return interval[2] - interval[0] > max(1, WIDEST * items)


def basis_of_retry(tried: Tried) -> str:
    return f"{tried[1]:,} of {tried[0]:,} came right when they were retried before"


def is_steady(tries: Sequence[Tried]) -> bool:
    """Whether as many pass at the last try as at the one before: then items are of one kind, and any may pass.

    Where items are of two kinds, those that pass are soon gone, and what is left never does.
    """
    shares = [(passed / tried) for tried, passed in tries if tried >= LEAST_TRIED_TWICE]
    return len(shares) >= 2 and shares[-1] > 0 and shares[-1] >= STEADY * shares[-2]


def by_attempts(category: str, items: int, evidence: Evidence) -> Prediction | None:
    """Automatic attempts: what did not pass by itself, again and again, does not pass later, unless time mends it."""
    attempts = tuple(tried for tried in evidence.attempts if tried[0] >= LEAST_TRIED_TWICE)
    if not attempts:
        return None
    tried, passed = attempts[-1]
    if category in PASSING_WITH_TIME and (passed <= HARDLY_ANY * tried or not is_steady(attempts)):
        return None
    one_kind = ONE_KIND_IF_STEADY if is_steady(attempts) else ONE_KIND
    interval = outcome_of_shares(items, shares_after(attempts, len(evidence.attempts) + 1, one_kind))
    basis = f"{passed:,} of {tried:,} came right at the last of their automatic attempts"
    return None if is_wide(interval, items) else predicted(interval, basis)


def by_earlier_batches(category: str, items: int, evidence: Evidence) -> Prediction | None:
    return by_units(items, evidence.earlier, LEAST_EARLIER, OF_EARLIER_BATCHES)


def by_category(category: str, items: int, evidence: Evidence) -> Prediction | None:
    return by_units(items, evidence.category, LEAST_OF_CATEGORY, f"retries of {category} errors in the portal")


def by_units(items: int, units: Sequence[Tried], least: int, what: str) -> Prediction | None:
    """None too where they differ so much that any share of the items may pass."""
    if len(units) < least:
        return None
    interval = outcome_of_shares(items, [share_of_units(tuple(units))])
    return None if is_wide(interval, items) else predicted(interval, basis_of_units(units, what))


def basis_of_units(units: Sequence[Tried], what: str) -> str:
    tried, passed = sum(unit[0] for unit in units), sum(unit[1] for unit in units)
    return f"{passed:,} of {tried:,} came right in {len(units):,} {what}"


# -- sums --------------------------------------------------------------------------------------------------------------


def total(parts: Sequence[Prediction]) -> Prediction:
    """The sum. What is known of groups errs independently, so its distances from the middle add up as squares do."""
    if len(parts) == 1:
        return parts[0]
    known = [part for part in parts if part.mid is not None]
    unknown = [part for part in parts if part.mid is None]
    mid = sum(part.mid or 0 for part in known)
    below = sum(((part.mid or 0) - part.low) ** 2 for part in known) ** 0.5
    above = sum((part.high - (part.mid or 0)) ** 2 for part in known) ** 0.5
    low, high = max(0, round(mid - below)), round(mid + above) + sum(part.high for part in unknown)
    if not unknown:
        return Prediction(RECOVERED, low, mid, high, f"{len(parts)} kinds of items, each by its own past")
    if not known:
        return Prediction(RECOVERED, 0, None, high, unknown[0].basis)
    basis = f"not known yet of {sum(part.high for part in unknown):,} of them; the others by their past"
    return Prediction(RECOVERED, low, None, high, basis)
