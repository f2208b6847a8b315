"""Rehearsals: runs that were rolled back, and their reports."""

from __future__ import annotations

from typing import Any

from django.db import models

from batches.models.batch import Batch
from batches.models.fields import RedactedTextField
from batches.proportions import percent_of


class Rehearsal(models.Model):
    """A run of a batch, or of a part of it, in which every chunk was rolled back; only its report remains."""

    class State(models.TextChoices):
        RUNNING = "RUNNING", "Running"
        DONE = "DONE", "Done"
        CANCELLED = "CANCELLED", "Cancelled"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="rehearsals", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING, db_index=True)
    note = RedactedTextField(blank=True, help_text="Why it is in this state, in words for people.")
    scope = models.JSONField(default=dict, help_text="What was asked for; empty: all items that would run.")
    chosen = models.JSONField(null=True, help_text="Ids of the items of a sample or scope; empty: all.")
    items = models.PositiveIntegerField(help_text="Items to rehearse, counted when it was asked for.")
    done = models.PositiveIntegerField(default=0)
    position = models.IntegerField(default=-1)
    in_flight = models.PositiveBigIntegerField(null=True, help_text="The item at which a chunk began.")
    careful = models.PositiveSmallIntegerField(default=0, help_text="Items still to run alone: a worker died.")
    fence = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    report = models.JSONField(default=dict)
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="rehearsal_number")]

    def __str__(self) -> str:
        return f"{self.batch_id} rehearsal {self.number}"

    def to_dict(self) -> dict[str, Any]:
        """What it has found so far, in the words of the error report."""
        report = self.report
        counts = report.get("counts", {"succeeded": 0, "skipped": 0, "failed": 0})
        groups = sorted(report.get("groups", {}).values(), key=lambda group: -group["count"])
        return {
            "batch_id": self.batch_id,
            "number": self.number,
            "state": self.state,
            "note": self.note,
            "scope": self.scope,
            "items": self.items,
            "done": self.done,
            **counts,
            "total_errors": counts["failed"],
            "error_rate": percent_of(counts["failed"], self.done) if self.done else 0.0,
            "errors_by_type": report.get("errors_by_type", {}),
            "errors_by_code": report.get("errors_by_code", {}),
            "groups": groups,
            "problematic_items": report.get("problematic_items", []),
            "actor": self.actor,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
        }
