"""The page on which advice is confirmed that is neither a retry nor sets items aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batches.models import Batch
from errors.desk.act_confirmation import ActConfirmation
from errors.desk.addresses import desk_url
from errors.desk.advice_cards import metric_label
from errors.desk.advice_choices import LABELS, adjustment_label
from errors.desk.confirm_form import ConfirmForm
from errors.desk.predictions import expectation_text
from errors.recovery.actions import scope_of

EFFECTS = {
    "pause": "The worker finishes the chunk in its hands, nothing after it. Resume goes on where it stopped.",
    "assign": "The error group is yours, in every batch of this processor. No item is touched.",
    "resolve": "A group of which no retried item fails in the same way is resolved; the others stay open.",
}


def advice_confirmation(batch: Batch, advice: Mapping[str, Any], form: ConfirmForm) -> ActConfirmation:
    """`advice` is a recommendation, or a step of a plan, as REST shows it."""
    verb, params = advice["action"].get("verb", ""), advice["action"].get("params", {})
    return ActConfirmation(
        batch=batch,
        crumb="Advice",
        question=advice["title"],
        effects=list(effects(batch, advice)),
        button=LABELS.get(verb) or (adjustment_label(params) if verb == "adjust" else "Note it"),
        form=form,
        back_url=desk_url(batch.pk),
        fields=[form["then"]] if "then" in form.fields else [],
    )


def effects(batch: Batch, advice: Mapping[str, Any]) -> Iterator[str]:
    verb, params, predicted = advice["action"].get("verb", ""), advice["action"].get("params", {}), advice["predicted"]
    if advice.get("why"):
        yield advice["why"]
    for name, value in params.get("changes", {}).items():
        change = f"{name.replace('_', ' ').capitalize()}: {getattr(batch, name, '–')} → {value}"
        yield f"{change}, from the next time slice of its lanes on. It can be changed back."
    if wait := params.get("retry", {}).get("after"):
        yield f"What is retried then waits {wait:,} s first, as the other side asked."
    if verb in EFFECTS:
        yield EFFECTS[verb]
    if verb in ("wait", "fix") or (verb == "hold" and not scope_of(params)):
        yield "This notes the decision in the history; no item is changed."
    if expected := expectation_text(predicted):
        yield f"{metric_label(predicted)}: {expected} ({predicted.get('basis')})."
