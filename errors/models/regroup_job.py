"""Merges and splits that a worker does."""

from __future__ import annotations

from django.db import models

from batches.models.fields import RedactedTextField
from errors.models.group import ErrorGroup


class RegroupJob(models.Model):
    """A merge or split that a worker does, as it moves very many errors."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting: a worker will do it, or is doing it"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused: it was not legal any more when its turn came"

    verb = models.CharField(max_length=20)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="regroup_jobs")
    other = models.ForeignKey(ErrorGroup, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    errors = models.PositiveBigIntegerField(help_text="In the group when it was asked for.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    actor = models.CharField(max_length=150, blank=True)
    reason = RedactedTextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True, blank=True, help_text="Since then, failures to come count there.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "errors_groupmove"
        constraints = [
            models.UniqueConstraint(fields=["group"], name="group_move", condition=models.Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.group_id}"
