"""The pages of a verb upon many groups: what it will change, and what it changed and what it could not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from batches.models import Batch
from batches.wording import number_agrees, quantity
from errors.desk.act_confirmation import ActConfirmation
from errors.desk.addresses import desk_url, group_url
from errors.desk.bulk_form import BulkForm
from errors.filters.error_filter import ErrorFilter
from errors.groups import LEGAL_STATES
from errors.models import BatchGroup, BulkAct, ErrorGroup

EXAMPLES = 20
PAST = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "ignore": "ignored",
    "reopen": "reopened",
    "assign": "assigned",
}


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group of an act: its title, its page in the batch, and what happened to it or why nothing did."""

    title: str
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class BulkResult:
    """A verb upon many groups that was carried out, and may have been undone since."""

    batch: Batch
    act: BulkAct

    @property
    def sentence(self) -> str:
        if self.act.undone:
            left = f", but for {len(self.not_put_back):,}" if self.not_put_back else ""
            return f"Undone by {self.act.undone['by'] or 'nobody'}{left}."
        refused = f", {len(self.act.refused):,} could not be" if self.act.refused else ""
        return f"{len(self.act.changed):,} {PAST[self.act.verb]}{refused}."

    @property
    def title(self) -> str:
        return f"{groups_text(len(self.act.changed))} {PAST[self.act.verb]}"

    @property
    def can_be_undone(self) -> bool:
        return bool(self.act.changed) and not self.act.undone

    @property
    def not_put_back(self) -> list[GroupLine]:
        return self.lines((self.act.undone or {}).get("left", ()))

    @property
    def refused(self) -> list[GroupLine]:
        return self.lines(self.act.refused)

    @property
    def changed(self) -> list[GroupLine]:
        return self.lines(self.act.changed)

    @property
    def groups_url(self) -> str:
        return desk_url(self.batch.pk, ErrorFilter.from_query(self.act.filter).query_string, section="groups")

    def lines(self, rows: Sequence[Mapping[str, Any]]) -> list[GroupLine]:
        return [
            GroupLine(
                title=row["title"] or row["fingerprint"],
                url=group_url(self.batch.pk, row["fingerprint"]),
                text=row["why"] if "why" in row else change_text(row["before"]["state"], row["after"]["state"]),
            )
            for row in rows
        ]


def bulk_confirmation(
    batch: Batch, verb: str, error_filter: ErrorFilter, form: BulkForm, *, notice: str
) -> ActConfirmation:
    rows = error_filter.groups(batch)
    by_state = dict(rows.order_by().values_list("group__state").annotate(n=Count("pk")))
    groups, possible = sum(by_state.values()), sum(by_state.get(state, 0) for state in LEGAL_STATES[verb])
    conditions = ", ".join(f"{name} “{value}”" for name, value in error_filter.as_dict().items())
    which = f" that match {conditions}" if conditions else ""
    return ActConfirmation(
        batch=batch,
        crumb=verb.capitalize(),
        question=f"{verb.capitalize()} {groups_text(groups)}{which}?",
        effects=list(effects(batch, verb, by_state)),
        button=f"{verb.capitalize()} {groups_text(possible)}",
        form=form,
        back_url=desk_url(batch.pk, error_filter.query_string, section="groups"),
        fields=form.verb_fields,
        examples=examples(rows),
        examples_title=f"The {EXAMPLES:,} that touch most items" if groups > EXAMPLES else "Which they are",
        is_possible=possible > 0,
        notice=notice,
    )


def effects(batch: Batch, verb: str, by_state: Mapping[str, int]) -> Iterator[str]:
    """`by_state` counts the groups that are meant."""
    impossible = {state: n for state, n in sorted(by_state.items()) if state not in LEGAL_STATES[verb]}
    possible = sum(by_state.values()) - sum(impossible.values())
    are = number_agrees(possible, "is", "are")
    yield f"{groups_text(possible)} {are} {PAST[verb]}, in every batch of {batch.processor}."
    if impossible:
        why = ", ".join(f"{n:,} {number_agrees(n, 'is', 'are')} {state}" for state, n in impossible.items())
        yield f"{groups_text(sum(impossible.values()))} cannot be: {why}. They stay as they are, and are named."
    yield "No item is retried or touched. It can be undone for every group that nobody has changed since."


def examples(rows: QuerySet[BatchGroup]) -> list[str]:
    titles = rows.values_list("group__title", "group__state", "items")[:EXAMPLES]
    return [f"{title or 'no message'} ({state}, {quantity(items, 'item')} here)" for title, state, items in titles]


def groups_text(count: int) -> str:
    return quantity(count, "error group")


def change_text(before: str, after: str) -> str:
    return f"{before} → {after}" if before != after else ErrorGroup.State(after).value
