"""The steps back to health."""

from __future__ import annotations

from django.db import models

from batches.models import Batch
from batches.models.fields import RedactedTextField


class RecoveryPlan(models.Model):
    """The steps back to health, as they were worked out; worked out anew only when somebody asks."""

    class State(models.TextChoices):
        OPEN = "open", "Open: its steps wait to be done one by one"
        RUNNING = "running", "Running: it goes on by itself whenever the batch is at rest"
        PAUSED = "paused", "Paused: nothing of it begins until somebody resumes it"
        DONE = "done", "Done: every step is over, or left out"
        CANCELLED = "cancelled", "Cancelled: the steps that had not begun are left out"

    UNDER_WAY = (State.RUNNING, State.PAUSED)

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="recovery_plan")
    totals = models.JSONField(default=dict)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    note = RedactedTextField(blank=True, help_text="Why it is in this state, in words for people.")
    run_by = models.CharField(max_length=150, blank=True, help_text="Who runs it as a whole.")

    def __str__(self) -> str:
        return str(self.totals.get("line", ""))


class PlanStep(models.Model):
    """One step of a recovery plan, applied at most once."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        APPLIED = "applied", "Applied: what it started may still run"
        HELD = "held", "Held: it waits for a person"
        LEFT_OUT = "left_out", "Left out"

    plan = models.ForeignKey(RecoveryPlan, on_delete=models.CASCADE, related_name="steps", db_index=False)
    step = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)
    title = models.CharField(max_length=700)
    action = models.JSONField(default=dict)
    predicted = models.JSONField(default=dict)
    cost = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    note = RedactedTextField(blank=True, help_text="Why it is held or left out.")
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    retry = models.PositiveIntegerField(null=True, blank=True)
    undo = models.JSONField(default=dict, help_text="What takes it back; empty: nothing does.")

    class Meta:
        ordering = ("plan", "step")
        constraints = [models.UniqueConstraint(fields=["plan", "step"], name="plan_step")]

    def __str__(self) -> str:
        return self.title
