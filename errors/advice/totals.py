"""What a recovery plan brings altogether."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from errors.advice.facts import Facts, Prediction
from errors.advice.plan import Step
from errors.advice.predictions import total


def totals(facts: Facts, steps: Sequence[Step]) -> dict[str, Any]:
    """In numbers of items and in a line. `mid` is null where it is not known yet how many recover."""
    parts = [step.predicted for step in steps if step.kind == "retry" and step.predicted]
    recovered = total(parts) if parts else Prediction("", 0, 0, 0, "")
    corrected, repaired, aside = (items_of(steps, kind) for kind in ("fix", "repair", "hold"))
    accounted = corrected + repaired + aside
    high = min(recovered.high, max(0, facts.failed - accounted))
    unclear = max(0, facts.failed - accounted - (recovered.mid or 0))
    numbers = [number for number, step in enumerate(steps, 1) if step.kind == "retry"]
    rest = [f"{corrected:,} need corrected input"] if corrected else []
    rest += [f"{repaired:,} wait for a repair"] if repaired else []
    rest += [f"{aside:,} are set aside"] if aside else []
    line = ", ".join(
        [f"{facts.failed:,} failed: {by_retries(recovered, high, numbers)}", *rest, f"{unclear:,} unclear"]
    )
    return {
        "failed": facts.failed,
        "recover": {"low": recovered.low, "mid": recovered.mid, "high": high},
        "corrected": corrected,
        "repaired": repaired,
        "aside": aside,
        "unclear": unclear,
        "line": line,
    }


def items_of(steps: Sequence[Step], kind: str) -> int:
    return sum(step.items for step in steps if step.kind == kind)


def by_retries(recovered: Prediction, high: int, numbers: Sequence[int]) -> str:
    if not numbers:
        return "none should recover by a retry"
    by = f"step {numbers[0]}" if len(numbers) == 1 else f"steps {numbers[0]}-{numbers[-1]}"
    if recovered.mid is None:
        return f"how many recover by {by} is not known yet ({recovered.low:,}-{high:,})"
    return f"~{recovered.mid:,} ({recovered.low:,}-{high:,}) should recover by {by}"
