"""The page that asks how a verb is to be done upon one error group."""

from __future__ import annotations

from dataclasses import dataclass

from batches.models import Batch
from batches.wording import quantity
from errors.desk.addresses import group_url
from errors.desk.group_forms.base import GroupForm
from errors.models import ErrorGroup


@dataclass(frozen=True, slots=True)
class GroupVerbPage:
    """The verb's form, and the group that it is about."""

    form: GroupForm

    @property
    def batch(self) -> Batch:
        return self.form.rollup.batch

    @property
    def group(self) -> ErrorGroup:
        return self.form.group

    @property
    def group_url(self) -> str:
        return group_url(self.batch.pk, self.group.fingerprint)

    @property
    def summary(self) -> str:
        items, errors = quantity(self.form.rollup.items, "item"), quantity(self.form.rollup.errors, "error")
        return f"{items}, {errors} in {self.batch}; it is {self.group.state}."
