"""What the rules read, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from errors.advice.problems import Problem, TwoKinds
from errors.advice.timeouts import Verdict


@dataclass(frozen=True, slots=True)
class Group:
    """One error group in the batch: `items` failed in this way finally; `worked` of `tried` came right when retried."""

    fingerprint: str
    title: str
    category: str
    items: int
    errors: int
    tried: int = 0
    worked: int = 0
    recent: int = 0
    """In how many of the last batches of this processor it was seen."""
    usual: int = 0
    """Its median number of errors in those batches."""
    first_seen: str = ""
    owner: str = ""
    last_note: str = ""
    fields: Sequence[str] = ()
    """Fields of the payload that its message or its processor names."""
    asked_wait: float = 0.0
    """The longest wait the other side asked for, in seconds."""


@dataclass(frozen=True, slots=True)
class History:
    """The last finished batches of the same processor."""

    batches: int = 0
    rates: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """A batch as the rules see it. Counts are of items, unless they say errors or attempts."""

    total: int
    tried: int
    failed: int
    errors: int
    attempts: int
    active: bool = False
    groups: Sequence[Group] = ()
    verdict: Verdict | None = None
    item_timeout: float = 0.0
    longest: float = inf
    """Time limits must stay below it."""
    concurrency: int = 1
    target: int | None = None
    """The concurrency the other side bears, if it was measured."""
    seconds: float = 0.0
    """An item's mean duration."""
    max_attempts: int = 1
    findings: Sequence[Mapping[str, Any]] = ()
    history: History = field(default_factory=History)
    problems: Sequence[Problem] = ()
    kinds: TwoKinds | None = None

    @property
    def remaining(self) -> int:
        return max(0, self.total - self.tried)

    def of(self, *categories: str) -> list[Group]:
        return [group for group in self.groups if group.category in categories]

    def minutes(self, items: int) -> float:
        return round(items * self.seconds / max(1, self.concurrency) / 60, 1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What acting should bring, in numbers of `metric`; `basis` says what it was worked out from."""

    metric: str
    low: int
    mid: int
    high: int
    basis: str


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice. `subject` tells it from others of its rule; `weight` is how much evidence there is."""

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
    """What else could be done: title, verb and params of each, as REST takes them."""
    version: int = 2
