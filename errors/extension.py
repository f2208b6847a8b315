"""What triage hangs into the engine."""

from __future__ import annotations

from batches.extensions import Extension, Scope
from errors.filters import scopes
from errors.terminal import VERBS

EXTENSION = Extension(
    name="errors",
    scopes={
        "group": Scope(scopes.items_of_group),
        "matching": Scope(scopes.items_of_matching),
        "where": Scope(scopes.items_where, reads_items=True),
    },
    failure_kind=scopes.last_group,
    permanent_failures=scopes.permanent_failures,
    broken_promises=scopes.failures_have_records,
    verbs=VERBS,
)
