"""Who is told about a batch, and each message to them."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q

from batches.models.batch import Batch
from batches.models.encrypted import EncryptedField
from batches.models.fields import RedactedTextField
from batches.redaction import redact_shapes


class Watch(models.Model):
    """A person who wants mail about a batch: its milestones, and its halt or failure."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="watches", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "watches"
        constraints = [models.UniqueConstraint(fields=["batch", "user"], name="watch_once")]

    def __str__(self) -> str:
        return f"{self.user} watches {self.batch_id}"


class StandingWatch(models.Model):
    """A person who wants mail about every batch, or every batch of one processor: its end, and its halt."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    processor = models.CharField(max_length=100, blank=True, help_text="Whose batches; empty: all there are.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "standing watches"
        constraints = [models.UniqueConstraint(fields=["processor", "user"], name="standing_watch_once")]

    def __str__(self) -> str:
        return f"{self.user} watches {self.processor or 'every batch'}"


class Webhook(models.Model):
    """Another system that is told about every batch, by signed POSTs in the Standard Webhooks form."""

    url = models.URLField(max_length=500, validators=[ProhibitNullCharactersValidator()])
    secret = EncryptedField(blank=True, help_text="whsec_ and 24 to 64 bytes in base64; signs what is sent.")
    previous_secret = EncryptedField(blank=True, default="", help_text="Signs as well, for a while after a change.")
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=True, help_text="Inactive ones are told nothing.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return redact_shapes(self.url)

    def signing_secrets(self, at: datetime) -> list[str]:
        """What a message is signed with at that moment, the newest first; none where they cannot be read."""
        overlaps = self.previous_secret_until is not None and at < self.previous_secret_until
        return [secret for secret in (self.secret, self.previous_secret if overlaps else "") if secret]


class Delivery(models.Model):
    """One message to one receiver: written in the commit that caused it, sent afterwards until it arrives."""

    class Event(models.TextChoices):
        MILESTONE = "batch.milestone", "Milestone reached"
        COMPLETED = "batch.completed", "Completed"
        HALTED = "batch.halted", "Halted"
        CANCELLED = "batch.cancelled", "Cancelled"
        FAILED = "batch.failed", "Failed"
        TEST = "batch.test", "Test message"
        DIGEST = "digest", "Digest"

    batch = models.ForeignKey(
        Batch, null=True, on_delete=models.CASCADE, related_name="deliveries", help_text="Empty: a digest of several."
    )
    event = models.CharField(max_length=20, choices=Event.choices)
    data = models.JSONField(default=dict)
    webhook = models.ForeignKey(Webhook, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True, help_text="The next attempt; empty: delivered or given up.")
    held = models.BooleanField(default=False, db_default=False, help_text="It waits for the next digest to its user.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    answer = RedactedTextField(blank=True, help_text="What the receiver said to the last attempt.")

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["user"], name="delivery_held", condition=Q(held=True)),
        ]

    def __str__(self) -> str:
        subject = f"{self.event} of {self.batch_id}" if self.batch_id else self.event
        return f"{subject} to {self.webhook or self.user}"

    OWED = Q(due_at__isnull=False) | Q(held=True)
    """Still to be sent, by itself or in a digest."""

    @property
    def message_id(self) -> str:
        """The same at every attempt, so that a receiver can take it once."""
        return f"msg_batchportal_{self.pk}"
