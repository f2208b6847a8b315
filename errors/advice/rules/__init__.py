"""The rules: `Facts` to advice. A rule is a module with one function, and its line in `RULES`.

Each rule has a tested form, which says how sure it is, and a plain one of low confidence, so that no kind of error
present goes without advice.
"""

from __future__ import annotations

from collections.abc import Callable

from errors.advice.facts import Advice, Facts
from errors.advice.rules.attribute import attribute
from errors.advice.rules.conflicts import deadlock, duplicate
from errors.advice.rules.high_rate import high_rate
from errors.advice.rules.network import network
from errors.advice.rules.poison import poison
from errors.advice.rules.rate_limit import rate_limit
from errors.advice.rules.recurring import recurring
from errors.advice.rules.repairs import repairs
from errors.advice.rules.timeout import timeout
from errors.advice.rules.unknown import unknown
from errors.advice.rules.validation import validation

Rule = Callable[[Facts], list[Advice]]
RULES: tuple[Rule, ...] = (
    high_rate,
    timeout,
    rate_limit,
    validation,
    network,
    deadlock,
    duplicate,
    repairs,
    attribute,
    poison,
    unknown,
    recurring,
)


def advise(facts: Facts) -> list[Advice]:
    """The advice of all rules, in their order."""
    return [advice for rule in RULES for advice in rule(facts)]
