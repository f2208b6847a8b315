"""The tab of a group's page that says who did what to it, and when, with the notes that people left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from errors.desk.paging import Keyset, integer
from errors.models import ErrorGroup, GroupChange

ROWS = 50
LATEST_FIRST = Keyset((integer("pk", descending=True),))
DEEDS = {
    "acknowledge": "took it up",
    "resolve": "resolved it",
    "await_retry": "asked to resolve it once a retry is clean",
    "not_clean": "found the retry not clean",
    "ignore": "ignored it",
    "unignore": "ended its being ignored",
    "reopen": "reopened it",
    "assign": "assigned it",
    "note": "noted",
    "merge": "merged it",
    "split": "split it",
    "regress": "saw it come back",
    "late": "saw a late error",
}
"""What was done by each verb, behind the name of who did it."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One change of the group, or a note."""

    change: GroupChange

    @property
    def deed(self) -> str:
        return deed(self.change)

    @property
    def is_note(self) -> bool:
        return self.change.verb == "note"


@dataclass(frozen=True, slots=True)
class HistoryTab:
    """The latest changes first; `older` is the token of the next page, empty on the last."""

    template: ClassVar[str] = "admin/errors/group/history.html"

    rows: list[HistoryRow]
    older: str


def history_tab(group: ErrorGroup, before: str) -> HistoryTab:
    """The changes behind the token `before`."""
    changes, older = LATEST_FIRST.page(group.changes.all(), before, ROWS)
    return HistoryTab([HistoryRow(change) for change in changes], older)


def deed(change: GroupChange) -> str:
    """What happened, behind the name of who did it."""
    text = DEEDS.get(change.verb, change.verb)
    if change.to_state == change.from_state or not change.to_state:
        return text
    return f"{text}: {change.from_state or 'new'} → {change.to_state}"
