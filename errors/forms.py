"""The verbs upon an error group as forms: what each will do, its options, and the operation it calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from batches.exceptions import InvalidInput
from batches.forms import ReasonedForm
from batches.models import Retry
from batches.processors import version_of
from batches.rights import TRIAGE
from errors import groups, regrouping
from errors.models import BatchGroup, ErrorGroup

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
MOST_RETRIES, MOST_GROUPS = 20, 500


@dataclass(frozen=True, slots=True)
class Option:
    """One way of doing it: a radio button, and the field that belongs to it."""

    value: str
    label: str
    help: str = ""
    field: str = ""


class GroupForm(ReasonedForm):
    """A verb. `seen` is how the group stood when the form was drawn: what changed since is not acted upon unseen."""

    question, button, danger = "", "", False
    undo = ""
    """The verb that takes it back."""
    options: tuple[Option, ...] = ()
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Why (shown in the history)",
        required=False,
        max_length=2_000,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, rollup: BatchGroup, said: Any = None) -> None:
        super().__init__(said, initial={"seen": seen(rollup.group)}, label_suffix="")
        self.rollup, self.group = rollup, rollup.group

    @property
    def effects(self) -> list[str]:
        """What it will do, in sentences."""
        return []

    @property
    def is_stale(self) -> bool:
        """Whether the group is not any more as it was when the form was drawn; a form without `seen` does not mind."""
        return bool(self.data.get("seen")) and self.data["seen"] != seen(self.group)

    @property
    def chosen(self) -> str:
        return str(self["how"].value() or self.options[0].value) if self.options else ""

    def shown_options(self) -> Iterator[dict[str, Any]]:
        for one in self.options:
            field = self[one.field] if one.field else None
            yield {"option": one, "checked": one.value == self.chosen, "field": field}

    @property
    def plain_fields(self) -> list[Any]:
        """Those that belong to no option."""
        taken = {one.field for one in self.options} | {"how", "seen", "reason"}
        return [self[name] for name in self.fields if name not in taken]

    def act(self, actor: str) -> str:
        """Do it; what to say of it."""
        raise NotImplementedError

    def who(self, actor: str) -> dict[str, str]:
        return {"actor": actor, "reason": self.cleaned_data["reason"]}


def seen(group: ErrorGroup) -> str:
    return f"{group.pk}.{group.state}.{group.assignee_id or ''}"


def how(*options: Option) -> forms.ChoiceField:
    return forms.ChoiceField(choices=[(one.value, one.label) for one in options], required=False)


class AcknowledgeForm(GroupForm):
    question, button = "Acknowledge it?", "Acknowledge"

    @property
    def effects(self) -> list[str]:
        return ["It says that somebody is on it. Errors go on being counted; nothing is done to any item."]

    def act(self, actor: str) -> str:
        groups.acknowledge(self.group.pk, **self.who(actor))
        return "Acknowledged: others see that you are on it."


class ReopenForm(GroupForm):
    question, button = "Reopen it?", "Reopen"

    @property
    def effects(self) -> list[str]:
        return ["It is open again, as acknowledged: whoever reopens it has looked at it. No item is touched."]

    def act(self, actor: str) -> str:
        groups.reopen(self.group.pk, **self.who(actor))
        return "Reopened."


class ResolveForm(GroupForm):
    """Now, from a version on, or when a bulk retry turns out clean."""

    question, button, undo = "Resolve it?", "Resolve", "reopen"
    NOW = Option("now", "Now", "An attempt that starts after this moment and fails alike makes it regress.")
    VERSION = Option(
        "version",
        "From a version of the processor on",
        "Only that version, or a later one, makes it regress; older workers do not.",
        "in_version",
    )
    RETRY = Option(
        "retry", "When a retry is clean", "It stays open until none of that retry's items fails alike.", "retry"
    )
    how = how(NOW, VERSION, RETRY)
    in_version = forms.CharField(required=False, max_length=50, label="Version")
    retry: Any = forms.ModelChoiceField(Retry.objects.none(), required=False, label="Retry")

    def __init__(self, rollup: BatchGroup, said: Any = None) -> None:
        super().__init__(rollup, said)
        latest = list(rollup.batch.retries.order_by("-number").values_list("pk", flat=True)[:MOST_RETRIES])
        self.fields["retry"].queryset = Retry.objects.filter(pk__in=latest).order_by("-number")  # type: ignore[attr-defined]
        self.fields["retry"].label_from_instance = retry_words  # type: ignore[attr-defined]
        declared = version_of(rollup.batch.processor)
        self.fields["in_version"].widget.attrs["placeholder"] = f"now {declared}" if declared else "such as 2.1"
        self.options = (self.NOW, self.VERSION, *([self.RETRY] if latest else ()))

    @property
    def effects(self) -> list[str]:
        return ["It should not come back. Nothing is retried and no item is touched by this."]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("how") == "version" and not said.get("in_version"):
            self.add_error("in_version", "Say in which version.")
        if said.get("how") == "retry" and not said.get("retry") and "retry" not in self.errors:
            self.add_error("retry", "Choose the retry to wait for.")
        return said

    def act(self, actor: str) -> str:
        if self.cleaned_data["how"] == "retry":
            retry = self.cleaned_data["retry"]
            groups.resolve_when_clean(self.group.pk, retry, **self.who(actor))
            return f"It will be resolved when retry {retry.number} is clean."
        version = self.cleaned_data["in_version"] if self.cleaned_data["how"] == "version" else ""
        groups.resolve(self.group.pk, in_version=version, **self.who(actor))
        return f"Resolved in version {version}." if version else "Resolved."


def retry_words(retry: Retry) -> str:
    return f"{retry.number}: {retry.items:,} items, {retry.get_state_display().split(':')[0].lower()}"


class IgnoreForm(GroupForm):
    """Until one condition is met, or for good."""

    question, button, undo = "Ignore it?", "Ignore", "reopen"
    options = (
        Option("next_batch", "Until it is in a later batch", "One that is submitted after now."),
        Option("items", "Until more items have it than", "Counted from now, over all batches.", "items"),
        Option("rate", "Until it hits more of a batch than", "Percent of a batch's items.", "rate"),
        Option("date", "Until a moment", "In UTC.", "date"),
        Option("forever", "For good", "Until somebody reopens it."),
    )
    how = how(*options)
    items = forms.IntegerField(required=False, label="Items")
    rate = forms.FloatField(required=False, label="Percent")
    date = forms.DateTimeField(
        required=False, label="Moment, in UTC", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    @property
    def effects(self) -> list[str]:
        return ["It is known and not worth a look. Its errors go on being counted; no item is touched."]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        name = said.get("how")
        if name in ("items", "rate", "date") and said.get(name) is None and name not in self.errors:
            self.add_error(name, "Say how many." if name == "items" else "Say how much." if name == "rate" else "When?")
        return said

    @property
    def until(self) -> dict[str, Any]:
        name = self.cleaned_data["how"] or self.options[0].value
        if name == "forever":
            return {}
        if name == "next_batch":
            return {"next_batch": True}
        value = self.cleaned_data[name]
        return {name: value.replace(tzinfo=UTC) if name == "date" else value}

    def act(self, actor: str) -> str:
        try:
            groups.ignore(self.group.pk, until=self.until, **self.who(actor))
        except InvalidInput as refused:
            self.add_error(next(iter(self.until)), next(iter(refused.errors.values())))
            return ""
        return "Ignored."


class AssignForm(GroupForm):
    """To somebody who may act, or to nobody."""

    question, button, undo = "Assign it", "Assign", "assign"
    user: Any = forms.ModelChoiceField(
        get_user_model().objects.none(), required=False, empty_label="Nobody", label="To"
    )

    def __init__(self, rollup: BatchGroup, said: Any = None) -> None:
        super().__init__(rollup, said)
        people = get_user_model().objects.with_perm(TRIAGE, backend=MODEL_BACKEND).order_by("username")  # type: ignore[attr-defined]
        self.fields["user"].queryset = people  # type: ignore[attr-defined]
        self.fields["user"].initial = rollup.group.assignee_id

    @property
    def effects(self) -> list[str]:
        return ["Those who may triage can be chosen. A new group is acknowledged by this; no item is touched."]

    def act(self, actor: str) -> str:
        user: AbstractBaseUser | None = self.cleaned_data["user"]
        groups.assign(self.group.pk, user, **self.who(actor))
        return f"Assigned to {user.get_username()}." if user else "Assigned to nobody."


class NoteForm(GroupForm):
    question, button = "Add a note", "Add the note"
    reason = forms.CharField(max_length=2_000, label="Note", widget=forms.Textarea(attrs={"rows": 4}))

    def act(self, actor: str) -> str:
        groups.note(self.group.pk, self.cleaned_data["reason"], actor=actor)
        return "Noted."


class MergeForm(GroupForm):
    """Into another group of the batch."""

    question, button, undo, danger = "Merge it into another group?", "Merge", "split", True
    into = forms.ChoiceField(label="Into")

    def __init__(self, rollup: BatchGroup, said: Any = None) -> None:
        super().__init__(rollup, said)
        others = BatchGroup.objects.filter(batch=rollup.batch).exclude(group=rollup.group).select_related("group")
        self.rows = {row.group.fingerprint: row for row in others.order_by("-items", "pk")[:MOST_GROUPS]}
        self.fields["into"].choices = [(name, merge_words(row)) for name, row in self.rows.items()]  # type: ignore[attr-defined]

    @property
    def effects(self) -> list[str]:
        elsewhere = BatchGroup.objects.filter(group=self.group).count() - 1
        also = f", and those in {elsewhere:,} other {'batch' if elsewhere == 1 else 'batches'}," if elsewhere else ""
        errors = f"{self.rollup.errors:,} {'error' if self.rollup.errors == 1 else 'errors'}"
        return [
            f"Its {errors} here{also} count in the other group, and so does what fails like this from now on.",
            "The other group keeps its state and title. To undo it, split it out of the other group again.",
        ]

    def act(self, actor: str) -> str:
        into = self.rows[self.cleaned_data["into"]].group
        regrouping.merge(self.group.pk, into.pk, **self.who(actor))
        return f"Merged into {into.title[:200]}."


def merge_words(row: BatchGroup) -> str:
    title = row.group.title or row.group.error_type
    short = title if len(title) <= 90 else f"{title[:90]}…"
    return f"{row.group.category}: {short} ({row.items:,} {'item' if row.items == 1 else 'items'})"


class SplitForm(GroupForm):
    """Take out what was merged into it, or make a group for every place in the code."""

    question, button, danger = "Split it?", "Split", True
    PLACE = Option(
        "place",
        "By place in the code",
        "A group for every function that it comes from, for what there is and for what is to come. It cannot be "
        "taken back at once: merge the parts again.",
    )
    how = forms.ChoiceField(required=False)

    def __init__(self, rollup: BatchGroup, said: Any = None) -> None:
        super().__init__(rollup, said)
        self.merged = {one.fingerprint: one for one in rollup.group.merged.order_by("pk")}
        taken_out = [
            Option(name, f"Take out: {(one.title or one.error_type)[:120]}", "It stays out until it is merged again.")
            for name, one in self.merged.items()
        ]
        self.options = tuple(taken_out) or (self.PLACE,)
        self.fields["how"].choices = [(one.value, one.label) for one in self.options]  # type: ignore[attr-defined]

    @property
    def effects(self) -> list[str]:
        return ["Errors move with their counters; no item is touched, and no error is lost."]

    def act(self, actor: str) -> str:
        chosen = self.cleaned_data["how"] or self.options[0].value
        if chosen == self.PLACE.value:
            parts = regrouping.split_by_place(self.group.pk, **self.who(actor))
            return f"Split by place in the code: {len(parts):,} {'group' if len(parts) == 1 else 'groups'}."
        out = self.merged[chosen]
        regrouping.split(self.group.pk, out.pk, **self.who(actor))
        return f"Taken out: {out.title[:200]}."


FORMS: dict[str, type[GroupForm]] = {
    "acknowledge": AcknowledgeForm,
    "resolve": ResolveForm,
    "ignore": IgnoreForm,
    "reopen": ReopenForm,
    "assign": AssignForm,
    "note": NoteForm,
    "merge": MergeForm,
    "split": SplitForm,
}
