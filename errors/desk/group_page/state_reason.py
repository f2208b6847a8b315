"""Why an error group is in its state, for the head of its page."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from batches.moments import moment
from batches.wording import number_agrees, quantity
from errors.grouping.regressions import items_of
from errors.models import ErrorGroup, GroupChange

State = ErrorGroup.State


def state_reason(group: ErrorGroup, last: GroupChange | None) -> str:
    """Why a group is in its state, in one sentence without the state's name; `last` is the change that led to it."""
    if last and last.verb == "unignore":
        return last.reason
    if group.state == State.NEW:
        return "nobody has looked at it"
    if group.state == State.REGRESSED:
        return f"it came back after it was resolved: {lowered(last.reason)}" if last else "it came back"
    if group.state == State.ACKNOWLEDGED:
        return taken_up(group, last)
    if group.state == State.RESOLVED:
        version = f"in version {group.resolved_in}" if group.resolved_in else ""
        late = f"; {quantity(group.late, 'late error')} of attempts before that" if group.late else ""
        return f"{version}{by(last)}{late}".strip() or "it should not come back"
    return f"{until_when(group)}{by(last)}"


def taken_up(group: ErrorGroup, last: GroupChange | None) -> str:
    """Who is on it, and how that came about."""
    if last is None:
        return "somebody is on it"
    if last.verb == "assign" and group.assignee is not None:
        return f"{group.assignee} is on it, assigned{by(last)}"
    reason = f": {last.reason}" if last.reason and last.verb != "assign" else ""
    if last.verb == "reopen":
        return f"reopened by {last.actor or 'the portal'}{reason}"
    return f"{last.actor} is on it{reason}"


def lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def by(change: GroupChange | None) -> str:
    """Who, and the reason they gave; when stands beside it on the page."""
    if change is None:
        return ""
    reason = f": {change.reason}" if change.reason and change.verb not in ("assign", "unignore") else ""
    return f" by {change.actor or 'the portal'}{reason}"


def until_when(group: ErrorGroup) -> str:
    """What ends its being ignored, and how near that is."""
    until = group.until
    if "date" in until:
        return f"until {moment(datetime.fromisoformat(until['date']), seconds=False)}"
    if "items" in until:
        seen = items_of(group.pk) - int(until.get("from", 0))
        return (
            f"until more than {quantity(until['items'], 'item')} "
            f"{number_agrees(until['items'], 'has', 'have')} it ({max(0, seen):,} so far)"
        )
    if "rate" in until:
        return f"until it hits more than {until['rate']:g} % of a batch's items"
    return "until it is in a batch submitted later" if "next_batch" in until else "for good"


def last_change(group: ErrorGroup) -> GroupChange | None:
    """The one that led to its state."""
    moves = group.changes.exclude(verb="note").filter(to_state=group.state).exclude(from_state=F("to_state"))
    return moves.order_by("-pk").first()
