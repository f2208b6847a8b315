"""What a field of REST holds, where neither its model nor its serializer says so: for the OpenAPI document.

A name that means the same everywhere stands here once; `Component.field` is for one of which that is not true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIELDS = {
    "Decision.outcome": "What the call came to.",
    "ItemsSubmission.items": "The items, an object each.",
    "Problem.errors": "Field -> what is wrong with it.",
    "Problem.status": "The HTTP status.",
    "Problem.type": "What kind of refusal it is, as a URI.",
    "Processor.name": "What a submission calls it.",
    "Processor.params": "Its parameters, as a JSON Schema.",
    "Retry.outcome": "Fate -> items.",
    "RetryRequest.after": "Seconds before the first of them runs.",
    "actor": "Username of who did it, or the door it came through; empty: the portal.",
    "all_failed": "True: every failed item.",
    "applied_at": "When its rows were put in place; null: not yet.",
    "at": "When it was done.",
    "attempts": "How often it was tried.",
    "back_by": "Username of who undid it.",
    "batch_id": "Id of the batch.",
    "began_at": "When it began.",
    "can_rehearse": "Whether it can be run and rolled back.",
    "canary": "Items that go first, before the rest.",
    "changed": "Rows that differ from the item's payload.",
    "changes": "The fields that differ: field, old, new, note.",
    "checkpoint_every": "Items a chunk, if nothing else is said.",
    "code": "Error code, such as TIMEOUT.",
    "concurrency": "Lanes that run at a time.",
    "counters": "Items by status at that moment.",
    "created_at": "When it was asked for.",
    "description": "What it does, in a sentence.",
    "detail": "What is wrong, and what to do about it.",
    "diff": "Changed rows, at most 1,000.",
    "done": "Items rehearsed so far.",
    "effects": "Where it acts: in the portal's database, or outside.",
    "errors_by_code": "Code -> failures.",
    "errors_by_type": "Type of exception -> failures.",
    "failed": "Items that would fail.",
    "failed_between": "Two times with their zones: items whose last failure lies between them.",
    "filename": "Name of the file, as it came.",
    "finished_at": "When it ended; null: not yet.",
    "format": "Of the file: csv, json, xlsx, …",
    "from_status": "Status before.",
    "groups": "Failures that belong together, the most frequent first.",
    "id": "Its id; the same in every address.",
    "in_force": "Whether it is in force now.",
    "item_key": "Key of the item, as the input has it.",
    "item_keys": "Keys of the items, at most 10,000.",
    "item_timeout": "Seconds an item may take; null: the portal's limit.",
    "items": "How many items it is about.",
    "key": "Its key in the input.",
    "key_column": "Column that holds the keys of items; empty: the number of its row, from 1, is the key.",
    "kind": "A bulk retry, or a file of corrected rows.",
    "legal_verbs": "Verbs that would be accepted now.",
    "lifted_at": "When it was lifted; null: it is in force.",
    "lifted_by": "Username of who lifted it.",
    "lifted_reason": "Why it was lifted.",
    "max_attempts": "How often an item is tried at most.",
    "max_errors": "Failed items at which the batch halts; null: no limit.",
    "message": "What failed, without secrets; empty: nothing.",
    "name": "Its name, for people.",
    "needed": "Items of the canary that must recover before the rest goes.",
    "note": "Why it is in this state.",
    "number": "Counted from 1 in each batch.",
    "outcome": "How it ended.",
    "params": "Parameters of the processor; secrets are masked.",
    "paused": "Whether everything is paused now.",
    "pauses": "The latest first, at most 20.",
    "payload": "The item's row; secrets are masked.",
    "permanent": "True: also items whose failure cannot pass unchanged.",
    "position": "Place in the input, counted from 0.",
    "positions": "First and last position, both included.",
    "problematic_items": "Items that would fail, at most 100.",
    "processor": "Name of a registered processor: see /api/processors.",
    "progress": "How far it has come.",
    "rate": "Items a second at most.",
    "reason": "Why; it is shown in the history.",
    "refusals": "Refused rows, at most 1,000.",
    "refused": "Rows that cannot be used.",
    "result": "What the processor returned; null: nothing.",
    "retry": "The bulk retry of its items; null: not applied.",
    "row": "Row of the file, counted from 1; a header is row 1.",
    "rows": "Rows in the file.",
    "sample": "So many items of them, chosen at random.",
    "scope": "Which items were meant.",
    "sentence": "Its state, in words.",
    "skipped": "Items that would be skipped.",
    "source": "Where its items came from.",
    "started_at": "When it began; null: not yet.",
    "state": "How far it has come.",
    "status": "Where it stands.",
    "status_text": "The status for people; of a batch that waits what it waits for, as in `Paused everywhere`.",
    "succeeded": "Items that would succeed.",
    "title": "What it is, in a few words.",
    "to_status": "Status after.",
    "total_errors": "Items that would fail.",
    "total_items": "Items of the batch.",
    "unchanged": "Rows that equal the item's payload.",
    "verb": "What was done.",
    "verdict": "What becomes of the row.",
    "waits_because": "Why it waits for workers, and behind what; empty: it does not.",
}
Schema = dict[str, Any]


def describe(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular, after the document is made."""
    return described(result, FIELDS)


def described(document: Schema, texts: Mapping[str, str]) -> Schema:
    """The document, in which fields that had no description have that of `texts`."""
    for component, shape in document["components"]["schemas"].items():
        properties: dict[str, Schema] = shape.get("properties", {})
        for name, field in properties.items():
            text = texts.get(f"{component}.{name}") or texts.get(name)
            if text and "description" not in field:
                properties[name] = ({"allOf": [field]} if "$ref" in field else field) | {"description": text}
    return document
