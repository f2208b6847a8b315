"""What the rules read, and the advice they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from errors.advice.evidence import Evidence
from errors.advice.problems import Problem
from errors.advice.timeouts import Verdict


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One error group in the batch: `items` failed finally, of which the engine leaves out `permanent` ones."""

    fingerprint: str
    title: str
    category: str
    items: int
    errors: int
    permanent: int = 0
    error_type: str = ""
    """The class of the exception."""
    evidence: Evidence = field(default_factory=Evidence)
    batches_seen_in: int = 0
    """How many of the last batches of this processor have errors of the group."""
    usual_errors: int = 0
    """The median number of its errors in those batches."""
    first_seen: str = ""
    is_ignored: bool = False
    """Somebody has said that nothing is to be done about it."""
    owner: str = ""
    last_note: str = ""
    fields: Sequence[str] = ()
    """Fields of the payload that the message or the processor names."""
    asked_wait: float = 0.0
    """The longest wait the other side asked for, in seconds."""


@dataclass(frozen=True, slots=True)
class History:
    """The last finished batches of the same processor."""

    batches: int = 0
    rates: Sequence[float] = ()
    """The share of items that failed, in each of those that has any."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A batch as the rules see it. Counts are of items; `errors` and `attempts` are of attempts."""

    total: int
    tried: int
    failed: int
    errors: int
    attempts: int
    active: bool = False
    groups: Sequence[GroupFacts] = ()
    timeout_verdict: Verdict | None = None
    timeout_seconds: tuple[float, float] | None = None
    """How long most attempts that timed out took: of ten the second shortest and the second longest; None: unknown."""
    item_timeout: float = 0.0
    """Seconds; it must stay below `timeout_bound`."""
    timeout_bound: float = inf
    concurrency: int = 1
    parallel: int = 1
    """Calls that each lane has under way side by side."""
    concurrency_target: int | None = None
    """The concurrency the other side bears; None: not measured."""
    item_seconds: float = 0.0
    """Mean duration of an item."""
    max_attempts: int = 1
    findings: Sequence[Mapping[str, Any]] = ()
    history: History = field(default_factory=History)
    problems: Sequence[Problem] = ()

    @property
    def remaining(self) -> int:
        return max(0, self.total - self.tried)

    def of(self, *categories: str) -> list[GroupFacts]:
        return [group for group in self.groups if group.category in categories]

    def minutes(self, items: int) -> float:
        """How long so many items take in all lanes together."""
        return round(items * self.item_seconds / max(1, self.concurrency) / 60, 1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What acting should bring, in numbers of `metric`; `basis` says what it was worked out from."""

    metric: str
    low: int
    mid: int | None
    """None: not known yet."""
    high: int
    basis: str


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice. `subject` tells several of one rule apart; `weight` is how much evidence there is."""

    rule: str
    subject: str
    title: str
    why: str
    confidence: str
    verb: str
    params: Mapping[str, Any]
    items: int
    weight: int
    minutes: float = 0.0
    predicted: Prediction | None = None
    evidence: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[str] = ()
    alternatives: Sequence[Mapping[str, Any]] = ()
    """What else could be done, as `alternative` makes it."""
    version: int = 2


def evidence(
    label: str, a: int, n: int, b: int | None = None, m: int | None = None, p: float | None = None
) -> dict[str, Any]:
    """`a` of `n` here; where that was compared, `b` of `m` elsewhere, and the probability `p` that it is chance."""
    beside = {"b": b, "m": m, "p": p}
    return {"label": label, "a": a, "n": n} | {name: value for name, value in beside.items() if value is not None}


def alternative(title: str, verb: str, **params: Any) -> dict[str, Any]:
    """Another thing to do, as REST takes it."""
    return {"title": title, "verb": verb, "params": params}
