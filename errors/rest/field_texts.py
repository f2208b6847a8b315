"""What a field of triage's REST holds, where neither its model nor its serializer says so: for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from batches.rest.field_texts import Schema, described

FIELDS = {
    "assignee": "Username of who is on it; null: nobody.",
    "attempt": "Which attempt of the item it was, counted from 1.",
    "by": "Username of who took it back.",
    "category": "What kind of failure: validation, network, timeout, …",
    "classified_by": "The rule by which it got its category and code.",
    "error_type": "Type of the exception.",
    "filter": "Which groups of the batch.",
    "fingerprint": "Names the error group; the same in every batch of the processor.",
    "first_seen": "When it failed so for the first time.",
    "in_version": "Version of the processor from which on it should not happen.",
    "last_seen": "When it failed so the last time.",
    "left": "Groups that somebody has changed since the act.",
    "undo_url": "POST here takes it back.",
    "undone": "Who took it back, when, and what was left; null: nobody.",
    "until": "What ends its being ignored; empty: nothing does.",
    "why": "Why it was left as it was.",
    "worker": "Process that tried it.",
    "BatchGroup.code": "Error code that its failures share.",
    "BatchGroup.errors": "Failed attempts in this batch.",
    "BatchGroup.items": "Items of this batch that failed so.",
    "BatchGroup.late": "Errors since it was resolved that did not count against it.",
    "BatchGroup.resolved_in": "Version of the processor from which on it should not happen; empty: any.",
    "BatchGroup.state": "What people have decided about it.",
    "BatchGroup.title": "What its failures say, without what differs among them.",
    "BulkAct.changed": "Groups that it changed, with their state before and after.",
    "BulkAct.refused": "Groups that it could not change.",
    "BulkResult.changed": "Fingerprints of the groups that it changed.",
    "BulkResult.refused": "Groups that it could not change.",
    "ChangedGroup.after": "Its state after the act.",
    "ErrorRecord.finished_at": "When the attempt had failed.",
    "ErrorRecord.id": "Counted over all batches, in the order of recording.",
    "ErrorRecord.started_at": "When the attempt began.",
    "Export.bytes": "Size of the file so far.",
    "Export.created_at": "When it was asked for.",
    "Export.expires_at": "When the file is deleted; null: there is none.",
    "Export.kind": "What a row is: summary, detail, items or fix.",
    "Export.percent": "How much of it is written, floored to one decimal.",
    "Export.url": "Where its progress is.",
    "GroupScope.ageing": "True: new for long, and nobody has looked at it.",
    "GroupScope.fingerprints": "These groups, at most 1,000.",
    "GroupScope.state": "What people have decided about them.",
    "Note.reason": "Its text.",
    "Until.date": "A time with its zone.",
}


def describe(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular, before that of the engine."""
    return described(result, FIELDS)
