"""Who is on it, and what they say: acknowledge, reopen, assign, note."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser

from batches import accounts
from errors import groups
from errors.desk.group_forms.base import GroupForm
from errors.models import BatchGroup
from errors.rights import TRIAGE


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


class AssignForm(GroupForm):
    """To somebody who may act, or to nobody."""

    question, button, undo = "Assign it", "Assign", "assign"
    user: Any = forms.ModelChoiceField(accounts.nobody(), required=False, empty_label="Nobody", label="To")

    def __init__(self, rollup: BatchGroup, data: Any = None) -> None:
        super().__init__(rollup, data)
        self.fields["user"].queryset = accounts.who_may(TRIAGE)  # type: ignore[attr-defined]
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
