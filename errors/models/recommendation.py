"""Advice about a batch, and what became of it."""

from __future__ import annotations

from django.db import models

from batches.models import Batch
from batches.models.fields import RedactedTextField


class Recommendation(models.Model):
    """One piece of advice about a batch: what to do, why, what it should bring and, once done, what it brought."""

    class State(models.TextChoices):
        OPEN = "open", "Open: nobody has decided"
        APPLIED = "applied", "Applied: what it started is not over, or cannot be measured"
        VERIFIED = "verified", "Verified: the outcome stands beside the prediction"
        NO_EFFECT = "no_effect", "No effect: it was applied, and nothing came of it"
        DISMISSED = "dismissed", "Dismissed: it comes back if its evidence doubles"
        EXPIRED = "expired", "Expired: the batch has changed"
        SUPERSEDED = "superseded", "Superseded by a newer one"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="recommendations", db_index=False)
    number = models.PositiveIntegerField()
    rule = models.CharField(max_length=20, db_index=True)
    rule_version = models.PositiveSmallIntegerField(default=1)
    subject = models.CharField(max_length=200, help_text="Tells it from others of its rule.")
    scope = models.JSONField(default=dict, help_text="The failures it is about: a filter, and how many items.")
    findings = models.JSONField(default=list)
    evidence = models.JSONField(default=list)
    weight = models.PositiveIntegerField(default=0, help_text="How much evidence there is, to see it double.")
    confidence = models.CharField(max_length=10)
    title = models.CharField(max_length=700)
    why = models.TextField()
    action = models.JSONField(default=dict, help_text="verb and params, as it is carried out.")
    alternatives = models.JSONField(default=list, help_text="What else could be done: title, verb and params of each.")
    predicted = models.JSONField(default=dict, help_text="metric, low, mid, high, basis; empty: not predicted.")
    cost = models.JSONField(default=dict, help_text="items, minutes.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    reason = RedactedTextField(blank=True)
    retry = models.PositiveIntegerField(null=True, blank=True, help_text="Number of the bulk retry it started.")
    actual = models.JSONField(default=dict, help_text="What became of the retry's items.")
    undo = models.JSONField(default=dict, help_text="What takes it back; empty: nothing does.")
    held = models.BooleanField(null=True, help_text="Whether the outcome lay within the prediction.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="recommendation_number")]

    def __str__(self) -> str:
        return self.title


class AdviceRevision(models.Model):
    """What a batch looked like when its recommendations were last worked out."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="advice_revision")
    revision = models.CharField(max_length=100, db_column="looked", help_text="Empty: to be worked out anew.")
    at = models.DateTimeField()

    class Meta:
        db_table = "errors_advised"

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.revision}"
