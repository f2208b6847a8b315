"""The verbs upon an error group as forms, by name."""

from __future__ import annotations

from errors.desk.group_forms.base import GroupForm
from errors.desk.group_forms.closing import IgnoreForm, ResolveForm
from errors.desk.group_forms.moving import MergeForm, SplitForm
from errors.desk.group_forms.people import AcknowledgeForm, AssignForm, NoteForm, ReopenForm

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
