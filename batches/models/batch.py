"""A batch, its statuses, and the arrows between them."""

from __future__ import annotations

import re

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, ProhibitNullCharactersValidator, RegexValidator
from django.db import models
from django.db.models import Manager
from django.urls import reverse

from batches.models.fields import RedactedCharField, RedactedTextField, positive_number

BATCH_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


class WholeBatches(Manager["Batch"]):
    """Every batch but those whose items are being written still."""

    def get_queryset(self) -> models.QuerySet[Batch]:
        return super().get_queryset().exclude(status=Batch.BEING_STORED)


class Batch(models.Model):
    """One submitted set of items and its run."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        QUEUED = "QUEUED", "Queued"
        RUNNING = "RUNNING", "Running"
        PAUSING = "PAUSING", "Pausing"
        PAUSED = "PAUSED", "Paused"
        CANCELLING = "CANCELLING", "Cancelling"
        CANCELLED = "CANCELLED", "Cancelled"
        HALTED = "HALTED", "Halted"
        COMPLETED = "COMPLETED", "Completed"
        FAILED = "FAILED", "Failed"
        ARCHIVING = "ARCHIVING", "Archiving"
        ARCHIVED = "ARCHIVED", "Archived"
        DELETING = "DELETING", "Deleting"

    class Priority(models.TextChoices):
        HIGH = "high", "High: before others"
        NORMAL = "normal", "Normal"
        LOW = "low", "Low: behind others, at least a turn every two minutes"

    SENTENCES = {
        Status.PENDING: "Submitted, and waiting for someone to start it.",
        Status.QUEUED: "Waiting for a worker to pick it up.",
        Status.RUNNING: "A worker is processing its items.",
        Status.PAUSING: "Pause was asked for; the worker is finishing the chunk in its hands.",
        Status.PAUSED: "Nothing runs. Everything done is kept, and resume goes on where it stopped.",
        Status.CANCELLING: "Cancel was asked for; the worker is finishing the chunk in its hands.",
        Status.CANCELLED: "Stopped for good. What was done is kept; what has no outcome gets none.",
        Status.HALTED: "Stopped by its error budget. Nothing is lost: raise the budget or fix the cause, then resume.",
        Status.COMPLETED: "Every item has its outcome.",
        Status.FAILED: "The portal could not run this batch. Nothing is lost: mend the cause, then resume.",
        Status.ARCHIVING: "Its items and errors are being removed; a summary stays.",
        Status.ARCHIVED: "Its items and errors are gone; this summary is what stays of it.",
        Status.DELETING: "It is being deleted; nothing can be done with it any more.",
    }
    SCRIPT_SENTENCES = {
        Status.PENDING: "A script keeps its checkpoint here; it goes on when resume_from_checkpoint is called.",
        Status.QUEUED: "Waiting for the script that drives it to go on.",
        Status.RUNNING: "Driven by a script: it is counted as that reports its items.",
        Status.PAUSING: "Pause was asked for; the script that drives it is finishing the items in its hands.",
        Status.PAUSED: "Nothing runs. Everything done is kept; after resume the script that drives it may go on.",
        Status.CANCELLING: "Cancel was asked for; the script that drives it is finishing the items in its hands.",
        Status.COMPLETED: "The script that drove it has finished it.",
    }
    """Of ad hoc batches, which no worker runs; where there is none, `SENTENCES` has it."""
    ENDED = (Status.COMPLETED, Status.CANCELLED, Status.FAILED)
    """It has come to its end, and is whole."""
    CLOSED = (Status.COMPLETED, Status.CANCELLED)
    """Nothing makes it go on with items that have no outcome."""
    REMOVING = (Status.ARCHIVING, Status.DELETING)
    REMOVED = (*REMOVING, Status.ARCHIVED)
    """Its items are gone or going: nothing runs, corrects or retries them."""
    FINAL = (*ENDED, *REMOVED)
    WORKABLE = (Status.QUEUED, Status.RUNNING)
    """A worker may take items of it."""
    ACTIVE = (*WORKABLE, Status.PAUSING, Status.CANCELLING)
    WORKING = (Status.RUNNING, Status.PAUSING, Status.CANCELLING)
    """A worker may have it: its active time is counted."""
    AT_REST = (Status.COMPLETED, Status.PAUSED, Status.HALTED)
    """No worker has it, and it can be put back to work: failed items may be retried or corrected."""
    BEING_STORED = "STORING"
    """In the place of a status while its id is reserved and its items are written: no batch yet."""

    id = models.CharField(
        primary_key=True,
        max_length=64,
        validators=[
            RegexValidator(BATCH_ID, "Use letters, digits, dot, hyphen and underscore; start with a letter or digit.")
        ],
    )
    name = RedactedCharField(max_length=200, blank=True, validators=[ProhibitNullCharactersValidator()])
    processor = models.CharField(max_length=100, blank=True, help_text="Empty for an ad hoc batch of the Python API.")
    params = models.JSONField(
        default=dict, blank=True, help_text="As they were given; the processor's form cleans them where they are used."
    )
    params_cleaned = models.BooleanField(
        default=False,
        db_default=True,
        help_text="Stored by an earlier version, cleaned already: they are used as they stand.",
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING, db_index=True)
    reason = RedactedTextField(blank=True, help_text="Why it is in this status, in words for people.")
    total_items = models.PositiveIntegerField(default=0)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="sha256 of processor, params and items.")
    code = models.JSONField(default=list, blank=True, help_text="Hashes of the processor's code it has run with.")
    source = models.JSONField(
        default=dict,
        blank=True,
        help_text="What was read: filename, bytes, sha256, format, encoding, dialect, columns, key_column.",
    )

    concurrency = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="Lanes: items run side by side in so many.",
    )
    priority = models.CharField(
        max_length=6,
        choices=Priority.choices,
        default=Priority.NORMAL,
        db_default=Priority.NORMAL.value,
        help_text="Whose turn it is first among batches that wait: high, normal or low.",
    )
    checkpoint_every = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(50)], help_text="Items a transaction, 1 to 50."
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Tries an item has, when its failure may pass.",
    )
    item_timeout = models.FloatField(default=30.0, validators=[positive_number], help_text="Seconds an item may run.")
    rate_limit_attempts = models.PositiveIntegerField(
        default=300,
        db_default=300,
        validators=[MinValueValidator(1)],
        help_text="Rate-limited tries of an item, which do not count as attempts, before it fails.",
    )
    rate_limit_seconds = models.FloatField(
        default=86_400.0,
        db_default=86_400.0,
        validators=[positive_number],
        help_text="Seconds for which an item may go on being rate-limited before it fails.",
    )
    rate = models.FloatField(
        null=True,
        blank=True,
        validators=[positive_number],
        help_text="Items a second over all lanes; empty: as fast as it goes.",
    )
    max_errors = models.PositiveIntegerField(
        null=True, blank=True, help_text="Halt when more items than this have failed; empty: no limit."
    )
    max_error_rate = models.FloatField(
        null=True,
        blank=True,
        validators=[positive_number, MaxValueValidator(100)],
        help_text="Halt when more than this percentage of the items tried has failed; empty: no limit.",
    )

    start_at = models.DateTimeField(
        null=True, blank=True, help_text="When it starts by itself, while it is pending; empty: a person starts it."
    )
    follows = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="followers",
        help_text="The batch that this one runs again.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    running_since = models.DateTimeField(null=True, blank=True, help_text="Set while active time is being counted.")
    active_seconds = models.FloatField(default=0.0, help_text="Active time up to `running_since`, pauses excluded.")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = WholeBatches()
    with_unfinished = Manager["Batch"]()

    class Meta:
        verbose_name_plural = "batches"
        ordering = ("-created_at", "-pk")
        permissions = [("operate_batch", "Can submit, start, pause, resume, cancel and retry batches")]

    def __str__(self) -> str:
        return self.name or self.pk

    def get_absolute_url(self) -> str:
        return reverse("admin:batches_batch_change", args=[self.pk])

    @property
    def sentence(self) -> str:
        status = self.Status(self.status)
        return (self.is_ad_hoc and self.SCRIPT_SENTENCES.get(status)) or self.SENTENCES[status]

    @property
    def is_ad_hoc(self) -> bool:
        """It has no processor: a script drives it through the Python API."""
        return not self.processor

    @property
    def is_final(self) -> bool:
        return self.status in self.FINAL


Status = Batch.Status
TRANSITIONS: dict[str, dict[str, str]] = {
    # from: {to: why}
    Status.PENDING: {
        Status.QUEUED: "started by a person",
        Status.CANCELLED: "cancelled before it was started",
        Status.FAILED: "its processor or input turned out to be unusable",
    },
    Status.QUEUED: {
        Status.RUNNING: "a worker took the first lane",
        Status.PAUSED: "paused while no worker had it: there is nothing to wait for",
        Status.CANCELLED: "cancelled while no worker had it",
        Status.COMPLETED: "there was nothing left to do",
        Status.FAILED: "no worker knows its processor, or takes its parameters",
    },
    Status.RUNNING: {
        Status.PAUSING: "pause was asked for while a worker may be in the middle of a chunk",
        Status.CANCELLING: "cancel was asked for while a worker may be in the middle of a chunk",
        Status.HALTED: "the error budget is used up",
        Status.COMPLETED: "every item has its outcome",
        Status.FAILED: "we broke: unknown processor or unreadable input",
    },
    Status.PAUSING: {
        Status.PAUSED: "no worker holds a lane any more",
        Status.CANCELLING: "cancelled while pausing",
        Status.COMPLETED: "the last item finished before the pause took hold",
    },
    Status.PAUSED: {
        Status.QUEUED: "resumed",
        Status.CANCELLED: "cancelled while paused",
    },
    Status.CANCELLING: {
        Status.CANCELLED: "no worker holds a lane any more",
        Status.COMPLETED: "the last item finished before the cancel took hold",
    },
    Status.HALTED: {
        Status.QUEUED: "resumed after a person looked at the errors",
        Status.CANCELLED: "given up by a person",
    },
    Status.COMPLETED: {Status.QUEUED: "failed items are tried again, or items set aside are brought back to be run"},
    Status.CANCELLED: {},
    Status.FAILED: {Status.QUEUED: "resumed after what broke it was mended"},
    Status.ARCHIVING: {
        Status.ARCHIVED: "its items are gone, and its summary stays",
        **dict.fromkeys(Batch.ENDED, "it breaks a promise, which has to be looked at before its items go"),
    },
    Status.ARCHIVED: {},
    Status.DELETING: {},
}
for _status in Batch.ENDED:
    TRANSITIONS[_status][Status.ARCHIVING] = "to be archived"
for _status in (Status.PENDING, Status.PAUSED, Status.HALTED, Status.ARCHIVED, *Batch.ENDED):
    TRANSITIONS[_status][Status.DELETING] = "to be deleted"
"""Every legal arrow, with its reason. `batches.lifecycle.transitions.move` is the one mover."""

SCRIPT_TRANSITIONS: dict[str, dict[str, str]] = {
    status: {} if status in Batch.REMOVED else {Status.RUNNING: "its script began to count it, or began anew"}
    for status in Status.values
}
"""What an ad hoc batch may do besides."""
SCRIPT_TRANSITIONS[Status.PENDING][Status.COMPLETED] = "its script said that nothing more will come"
SCRIPT_TRANSITIONS[Status.PAUSED][Status.COMPLETED] = "its script did the last items although it was paused"


def may_follow(batch: Batch, from_: str, to: str) -> bool:
    """Whether that arrow is legal for the batch."""
    return to in TRANSITIONS.get(from_, {}) or (batch.is_ad_hoc and to in SCRIPT_TRANSITIONS.get(from_, {}))
