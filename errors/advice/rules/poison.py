"""Items that no retry helps cost attempts and hide the others: stop retrying them."""

from __future__ import annotations

from batches.wording import quantity
from errors.advice.facts import Advice, Facts, Prediction, evidence

LEAST_ITEMS = 3


def poison(facts: Facts) -> list[Advice]:
    poisonous = [problem for problem in facts.problems if problem.label in ("poison", "crasher")]
    items = len(poisonous)
    if items < LEAST_ITEMS:
        return []
    lost = round(sum(problem.next_works for problem in poisonous), 1)
    why = (
        f"{quantity(items, 'item')} failed three times or more, always in the same way; one more try might "
        f"save {lost:g}."
    )
    attempts = max(1, facts.max_attempts)
    most = items * attempts
    return [
        Advice(
            rule="poison",
            subject="batch",
            title="Stop retrying these items",
            why=why,
            confidence="moderate",
            verb="hold",
            params={"item_keys": [problem.key for problem in poisonous]},
            items=items,
            weight=items,
            predicted=Prediction("attempts saved", items, most, most, f"up to {attempts} attempts an item"),
            evidence=[evidence("poison items", items, facts.failed)],
        )
    ]
