"""Remembered responses."""

from __future__ import annotations

from django.db import models

from batches.models.fields import HexKeyField


class IdempotencyRecord(models.Model):
    """The remembered response of one operation on one item; unique by its key, so a second doer finds the first."""

    class State(models.TextChoices):
        IN_PROGRESS = "IN_PROGRESS", "In progress"
        DONE = "DONE", "Done"

    key = HexKeyField(primary_key=True, max_length=32)
    request_hash = models.CharField(
        max_length=64, blank=True, help_text="sha256 of the arguments; empty: not compared."
    )
    state = models.CharField(max_length=11, choices=State.choices, default=State.DONE)
    worker = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="host:pid:start of the process that runs it as an operation.",
    )
    response = models.JSONField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True,
        blank=True,
        db_index=True,
        help_text="The lease of an operation in progress; of an item in progress: empty.",
    )

    def __str__(self) -> str:
        return str(self.key)
