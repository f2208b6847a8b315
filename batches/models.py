"""What is stored. The database is the truth: an item's status decides, everything else is a receipt or a hint."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, ProhibitNullCharactersValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

BATCH_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
ITEM_KEY_LENGTH = 200
MILESTONES = (25, 50, 75, 100)


def positive_number(value: float) -> None:
    """A validator that NaN and infinity do not pass."""
    if not (math.isfinite(value) and value > 0):
        raise ValidationError("Enter a number greater than 0.")


class HexKeyField(models.BinaryField):
    """A sha256 kept as 32 raw bytes (half the index of its text) and shown as 64 hexadecimal digits."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str | None:
        return None if value is None else bytes(value).hex()

    def to_python(self, value: Any) -> str | None:
        return value if value is None or isinstance(value, str) else bytes(value).hex()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        raw = bytes.fromhex(value) if isinstance(value, str) else value
        return super().get_db_prep_value(raw, connection, prepared)


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

    SENTENCES = {
        Status.PENDING: "Submitted, and waiting for someone to start it.",
        Status.QUEUED: "Waiting for a worker to pick it up.",
        Status.RUNNING: "A worker is processing its items.",
        Status.PAUSING: "Pause was asked for; the worker is finishing the chunk in its hands.",
        Status.PAUSED: "Nothing runs. Everything done is kept, and resume goes on where it stopped.",
        Status.CANCELLING: "Cancel was asked for; the worker is finishing the chunk in its hands.",
        Status.CANCELLED: "Stopped for good. What was done is kept; untouched items stay untouched.",
        Status.HALTED: "Stopped by its error budget. Nothing is lost: raise the budget or fix the cause, then resume.",
        Status.COMPLETED: "Every item has its outcome.",
        Status.FAILED: "The portal could not run this batch. Nothing is lost: mend the cause, then resume.",
    }
    FINAL = (Status.COMPLETED, Status.CANCELLED, Status.FAILED)
    ACTIVE = (Status.QUEUED, Status.RUNNING, Status.PAUSING, Status.CANCELLING)

    id = models.CharField(
        primary_key=True,
        max_length=64,
        validators=[
            RegexValidator(BATCH_ID, "Use letters, digits, dot, hyphen and underscore; start with a letter or digit.")
        ],
    )
    name = models.CharField(max_length=200, blank=True, validators=[ProhibitNullCharactersValidator()])
    processor = models.CharField(max_length=100, blank=True, help_text="Empty for an ad hoc batch of the Python API.")
    params = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING, db_index=True)
    reason = models.TextField(blank=True, help_text="Why it is in this status, in words for people.")
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
    checkpoint_every = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(50)], help_text="Items a transaction, 1 to 50."
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Tries an item has, when its failure may pass.",
    )
    item_timeout = models.FloatField(default=30.0, validators=[positive_number], help_text="Seconds an item may run.")
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

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    running_since = models.DateTimeField(null=True, blank=True, help_text="Set while active time is being counted.")
    active_seconds = models.FloatField(default=0.0, help_text="Active time up to `running_since`, pauses excluded.")
    finished_at = models.DateTimeField(null=True, blank=True)

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
        return self.SENTENCES[self.Status(self.status)]

    @property
    def is_final(self) -> bool:
        return self.status in self.FINAL


S = Batch.Status
TRANSITIONS: dict[str, dict[str, str]] = {
    # from: {to: why}
    S.PENDING: {
        S.QUEUED: "started by a person",
        S.CANCELLED: "cancelled before it was started",
        S.FAILED: "its processor or input turned out to be unusable",
    },
    S.QUEUED: {
        S.RUNNING: "a worker took the first lane",
        S.PAUSED: "paused while no worker had it: there is nothing to wait for",
        S.CANCELLED: "cancelled while no worker had it",
        S.COMPLETED: "there was nothing left to do",
        S.FAILED: "its processor is unknown to the worker",
    },
    S.RUNNING: {
        S.PAUSING: "pause was asked for while a worker may be in the middle of a chunk",
        S.CANCELLING: "cancel was asked for while a worker may be in the middle of a chunk",
        S.HALTED: "the error budget is used up",
        S.COMPLETED: "every item has its outcome",
        S.FAILED: "we broke: unknown processor or unreadable input",
    },
    S.PAUSING: {
        S.PAUSED: "no worker holds a lane any more",
        S.CANCELLING: "cancelled while pausing",
        S.COMPLETED: "the last item finished before the pause took hold",
    },
    S.PAUSED: {
        S.QUEUED: "resumed",
        S.CANCELLED: "cancelled while paused",
    },
    S.CANCELLING: {
        S.CANCELLED: "no worker holds a lane any more",
        S.COMPLETED: "the last item finished before the cancel took hold",
    },
    S.HALTED: {
        S.QUEUED: "resumed after a person looked at the errors",
        S.CANCELLED: "given up by a person",
    },
    S.COMPLETED: {S.QUEUED: "failed items are tried again, or items set aside are brought back to be run"},
    S.CANCELLED: {},
    S.FAILED: {S.QUEUED: "resumed after what broke it was mended"},
}
"""Every legal arrow, with its reason. `batches.operations` holds the one mover."""


class Item(models.Model):
    """The smallest unit of work. Only `failed_at`, `available_at` and `claimed_at` are indexed beside the identity, so
    the update of an item that succeeds within its chunk stays heap-only on PostgreSQL."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "Pending"
        RUNNING = "RUNNING", "Running"
        SUCCEEDED = "SUCCEEDED", "Succeeded"
        SKIPPED = "SKIPPED", "Skipped"
        FAILED = "FAILED", "Failed"
        QUARANTINED = "QUARANTINED", "Quarantined"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=ITEM_KEY_LENGTH)
    payload = models.JSONField()
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    forgiven = models.PositiveIntegerField(
        default=0,
        help_text="Attempts that do not count towards the limit: rate-limited ones, and those before a retry.",
    )
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Workers that died while it was in flight.")
    lane = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The lane that counted its outcome.")
    result = models.JSONField(null=True, blank=True)
    message = models.TextField(blank=True, help_text="Why it was skipped, failed or quarantined.")
    code = models.CharField(max_length=64, blank=True, help_text="Error code of the last failed attempt.")
    available_at = models.DateTimeField(null=True, blank=True, help_text="A retry waits until then.")
    failed_at = models.DateTimeField(null=True, blank=True, help_text="Set while it is failed or quarantined.")
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="Set while its call to the outside is out.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("batch", "position")
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="item_position"),
            models.UniqueConstraint(fields=["batch", "key"], name="item_key"),
        ]
        indexes = [
            models.Index(fields=["batch", "position"], name="item_failed", condition=Q(failed_at__isnull=False)),
            models.Index(fields=["batch", "position"], name="item_out", condition=Q(claimed_at__isnull=False)),
            models.Index(
                fields=["batch", "available_at"], name="item_waiting", condition=Q(available_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} · {self.key}"


class Checkpoint(models.Model):
    """A lane: one slot of parallel work, how far it has come, and who holds it until when.

    It commits with the chunk it describes. `fence` grows at every take-over; a commit names the fence it was given,
    so a worker that wakes up late changes nothing. No column written by a chunk is indexed.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="lanes", db_index=False)
    lane = models.PositiveSmallIntegerField(default=0)
    position = models.IntegerField(default=-1, help_text="Items up to here were looked at by this lane; -1: none.")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True, help_text="host:pid:start of the holder; empty when free.")
    fence = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="By the database's clock; empty when free."
    )
    careful = models.PositiveSmallIntegerField(
        default=0, help_text="Items still to run one a transaction, because the last holder died."
    )
    in_flight = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    sequence = models.PositiveBigIntegerField(default=0, help_text="Chunks committed.")
    metadata = models.JSONField(default=dict, blank=True)
    saved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("batch", "lane")
        constraints = [models.UniqueConstraint(fields=["batch", "lane"], name="checkpoint_lane")]

    def __str__(self) -> str:
        return f"{self.batch_id} lane {self.lane} at {self.position}"


class Tenure(models.Model):
    """Since when a worker held a lane; until the next one of that lane."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="tenures", db_index=False)
    lane = models.PositiveSmallIntegerField()
    worker = models.CharField(max_length=120)
    since = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["batch", "lane", "since"], name="tenure_lane")]

    def __str__(self) -> str:
        return f"{self.batch_id} lane {self.lane}: {self.worker}"


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
    response = models.JSONField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="Empty while in progress.")

    def __str__(self) -> str:
        return str(self.key)


class Retry(models.Model):
    """A bulk retry: which failed items were meant, how carefully they are put back, and what became of them."""

    class State(models.TextChoices):
        PREPARING = "PREPARING", "Preparing: what it means is being written down"
        CANARY = "CANARY", "Canary: a few items go first"
        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused: what was not begun is failed again, until it is resumed"
        HELD = "HELD", "Held: too few of the first recovered, or they failed in a new way"
        DONE = "DONE", "Done"
        CANCELLED = "CANCELLED", "Cancelled"

    class Kind(models.TextChoices):
        RETRY = "retry", "Retry: the items as they are"
        FIX = "fix", "Fix: items whose payload was corrected"

    RELEASING = (State.CANARY, State.RUNNING)
    UNDER_WAY = (State.PREPARING, *RELEASING)
    OPEN = (*UNDER_WAY, State.PAUSED, State.HELD)

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="retries")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.RETRY)
    scope = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    note = models.TextField(blank=True, help_text="Why it is in this state, in words for people.")
    items = models.PositiveIntegerField(default=0, help_text="Items to be tried, counted when it was made.")
    frozen_to = models.PositiveBigIntegerField(default=0, help_text="The highest item id it means.")
    written_to = models.IntegerField(default=-1, help_text="While it is prepared: written down up to this position.")
    canary = models.PositiveIntegerField(default=0, help_text="Items that go first; 0: all at once.")
    needed = models.PositiveIntegerField(default=0, help_text="Of the canary, so many must recover.")
    rate = models.FloatField(null=True, blank=True, help_text="Items a second that it puts back; empty: no limit.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="None of its items runs earlier.")
    permanent = models.BooleanField(default=True, help_text="Also what cannot pass unchanged.")
    changes = models.JSONField(default=dict, help_text="What of the batch was changed for it: before and after.")
    predicted = models.JSONField(default=dict, help_text="What was expected: low, mid, high, basis; empty: nothing.")
    key = models.CharField(max_length=100, blank=True, help_text="The same key twice is one retry.")
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "retries"
        ordering = ("batch", "number")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="retry_number"),
            models.UniqueConstraint(fields=["batch", "key"], name="retry_key", condition=~Q(key="")),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} retry {self.number}"

    def outcome(self) -> dict[str, int]:
        """How many of its items recovered, failed again (the same way or another), were skipped, or wait."""
        names = ("recovered", "failed_again", "failed_same", "failed_differently", "skipped", "waiting")
        fates = dict.fromkeys(names, 0)
        if self.state == self.State.PREPARING:
            return fates | {"waiting": self.items}
        for _, fate, status, count in RetriedItem.counted([self.pk]):
            for name in RetriedItem.names(fate, status):
                fates[name] += count
        return fates


class RetriedItem(models.Model):
    """One item of a bulk retry: how it had failed, and its fate."""

    class Fate(models.TextChoices):
        WAITING = "WAITING", "Waiting for its wave"
        RELEASED = "RELEASED", "Put back"
        RECOVERED = "RECOVERED", "Recovered"
        SAME = "SAME", "Failed the same way"
        DIFFERENT = "DIFFERENT", "Failed differently"
        SKIPPED = "SKIPPED", "Skipped"

    NAMES = {
        Fate.RECOVERED: ("recovered",),
        Fate.SAME: ("failed_again", "failed_same"),
        Fate.DIFFERENT: ("failed_again", "failed_differently"),
        Fate.SKIPPED: ("skipped",),
        Fate.WAITING: ("waiting",),
    }

    retry = models.ForeignKey(Retry, on_delete=models.CASCADE, related_name="retried")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="retried")
    fate = models.CharField(max_length=9, choices=Fate.choices, default=Fate.WAITING)
    why = models.TextField(blank=True)
    code_before = models.CharField(max_length=64, blank=True)
    code_after = models.CharField(max_length=64, blank=True)
    kind_before = models.CharField(max_length=64, blank=True, help_text="What its failure had in common with others.")
    kind_after = models.CharField(max_length=64, blank=True)
    attempts_before = models.PositiveIntegerField(default=0)
    status_before = models.CharField(max_length=11, default=Item.Status.FAILED)
    lane_before = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["retry", "item"], name="retried_once")]
        indexes = [models.Index(fields=["retry", "fate", "id"], name="retried_fate")]

    def __str__(self) -> str:
        return f"{self.retry_id}: {self.item_id}"

    @classmethod
    def counted(cls, retries: Sequence[int]) -> Iterator[tuple[int, str, str, int]]:
        """Retry, fate, status of the item, how many. Only items that are not judged yet are looked at themselves."""
        rows = cls.objects.filter(retry__in=retries).order_by().values("retry", "fate")
        unseen, seen = models.Value("", models.CharField()), models.F("item__status")
        judged = rows.exclude(fate=cls.Fate.RELEASED).annotate(status=unseen, n=models.Count("pk"))
        others = rows.filter(fate=cls.Fate.RELEASED).annotate(status=seen, n=models.Count("pk"))
        columns = ("retry", "fate", "status", "n")
        yield from judged.values_list(*columns).union(others.values_list(*columns), all=True)

    @classmethod
    def names(cls, fate: str, status: str) -> tuple[str, ...]:
        """Under what an item counts; one that was put back and not judged yet counts by its status."""
        if fate != cls.Fate.RELEASED:
            return cls.NAMES[cls.Fate(fate)]
        if status in (Item.Status.SUCCEEDED, Item.Status.SKIPPED):
            return ("recovered",)
        return ("failed_again",) if status in (Item.Status.FAILED, Item.Status.QUARANTINED) else ("waiting",)


class Aside(models.Model):
    """Items that a person set aside: nothing runs or retries them until they are brought back."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="asides", db_index=False)
    number = models.PositiveIntegerField()
    scope = models.JSONField(default=dict)
    items = models.PositiveIntegerField(default=0, help_text="Items it took, counted when it was done.")
    key = models.CharField(max_length=100, blank=True, help_text="The same key twice is done once.")
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    back_at = models.DateTimeField(null=True, blank=True, help_text="Set once it was undone.")
    back_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ("batch", "number")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="aside_number"),
            models.UniqueConstraint(fields=["batch", "key"], name="aside_key", condition=~Q(key="")),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} aside {self.number}"


class AsideItem(models.Model):
    """One item that was set aside, and how it stood before."""

    aside = models.ForeignKey(Aside, on_delete=models.CASCADE, related_name="taken")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="asides")
    status_before = models.CharField(max_length=11)
    back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item"], name="aside_once", condition=Q(back_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.aside_id}: {self.item_id}"


class Fix(models.Model):
    """An uploaded file of corrected rows: what it would change, then what it changed, and the retry it started."""

    class State(models.TextChoices):
        CHECKING = "CHECKING", "Checking: its rows are being looked at, and nobody sees it yet"
        CHECKED = "CHECKED", "Checked: nothing is changed yet"
        APPLIED = "APPLIED", "Applied"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="fixes", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.CHECKING)
    filename = models.CharField(max_length=255, blank=True)
    format = models.CharField(max_length=10, blank=True)
    sha256 = models.CharField(max_length=64, help_text="Of the file's content: the same file twice is one retry.")
    rows = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    not_in_file = models.PositiveIntegerField(default=0, help_text="Failed items that the file does not hold.")
    retry = models.OneToOneField(Retry, null=True, blank=True, on_delete=models.SET_NULL, related_name="fix")
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="Empty once it is applied.")
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "fixes"
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="fix_number")]

    def __str__(self) -> str:
        return f"{self.batch_id} fix {self.number}"


class Correction(models.Model):
    """One row of a fix file: the item it means, and its payload before and after."""

    class Verdict(models.TextChoices):
        CHANGED = "CHANGED", "Changed"
        UNCHANGED = "UNCHANGED", "Unchanged"
        REFUSED = "REFUSED", "Refused"

    fix = models.ForeignKey(Fix, on_delete=models.CASCADE, related_name="corrections", db_index=False)
    item = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.CASCADE, related_name="corrections", db_index=False
    )
    row = models.PositiveIntegerField()
    key = models.CharField(max_length=ITEM_KEY_LENGTH, blank=True)
    verdict = models.CharField(max_length=9, choices=Verdict.choices)
    column = models.CharField(max_length=200, blank=True, help_text="Where it is refused.")
    why = models.TextField(blank=True, help_text="Why it is refused, and what to do.")
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        indexes = [
            models.Index(fields=["fix", "verdict", "id"], name="correction_verdict"),
            models.Index(fields=["item", "fix"], name="correction_item"),
        ]

    def __str__(self) -> str:
        return f"{self.fix_id} row {self.row}: {self.key}"


class Rehearsal(models.Model):
    """A run of a batch, or of a part of it, in which every chunk was rolled back; only its report remains."""

    class State(models.TextChoices):
        RUNNING = "RUNNING", "Running"
        DONE = "DONE", "Done"
        CANCELLED = "CANCELLED", "Cancelled"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="rehearsals", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING, db_index=True)
    note = models.TextField(blank=True, help_text="Why it is in this state, in words for people.")
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
            "error_rate": math.floor(1000 * counts["failed"] / self.done) / 10 if self.done else 0.0,
            "errors_by_type": report.get("errors_by_type", {}),
            "errors_by_code": report.get("errors_by_code", {}),
            "groups": groups,
            "problematic_items": report.get("problematic_items", []),
            "actor": self.actor,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
        }


class Transition(models.Model):
    """One change of a batch's status, or one act upon it: who, why, from, to, and the counters at that moment."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="transitions")
    verb = models.CharField(max_length=20)
    from_status = models.CharField(max_length=12, blank=True)
    to_status = models.CharField(max_length=12)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True, help_text="A user name, or the part of the portal that acted.")
    counters = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("batch", "pk")

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.from_status or 'new'} -> {self.to_status}"


class Milestone(models.Model):
    """A crossing of 25, 50, 75 or 100 % done, written once in the commit that crossed it."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="milestones", db_index=False)
    milestone = models.PositiveSmallIntegerField(choices=[(m, f"{m} %") for m in MILESTONES])
    reached_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("batch", "milestone")
        constraints = [models.UniqueConstraint(fields=["batch", "milestone"], name="milestone_once")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.milestone} %"


class Sample(models.Model):
    """Where an active batch stood at a moment: what the recent velocity and its chart are made of.

    The slot says which moment it stands for, so that however many write, a batch has one sample every 5 s, and one more
    where a stretch of running begins. Old samples are thinned.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="samples", db_index=False)
    slot = models.BigIntegerField(help_text="Milliseconds since 1970, a multiple of 5,000 unless running began then.")
    at = models.DateTimeField()
    done = models.PositiveIntegerField(help_text="Items that had any outcome.")
    active_seconds = models.FloatField()

    class Meta:
        ordering = ("batch", "slot")
        constraints = [models.UniqueConstraint(fields=["batch", "slot"], name="sample_slot")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.done} at {self.at}"


class Map(models.Model):
    """A batch's outcomes by position, as they were last counted: the picture that pages show at once."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="map")
    revision = models.CharField(max_length=120, help_text="What the batch looked like then.")
    stretch = models.PositiveIntegerField(help_text="Items a bin.")
    bins = models.JSONField(default=list, help_text="Items a bin by outcome, in the order of `batch_map.OUTCOMES`.")
    took = models.FloatField(default=0.0, help_text="Seconds the counting took.")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.batch_id}: {len(self.bins)} bins"


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


class Webhook(models.Model):
    """Another system that is told about every batch, by signed POSTs in the Standard Webhooks form."""

    url = models.URLField(max_length=500, validators=[ProhibitNullCharactersValidator()])
    secret = models.CharField(
        max_length=100, blank=True, help_text="whsec_ and 24 to 64 bytes in base64; signs what is sent."
    )
    active = models.BooleanField(default=True, help_text="Inactive ones are told nothing.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One message to one receiver: written in the commit that caused it, sent afterwards until it arrives."""

    class Event(models.TextChoices):
        MILESTONE = "batch.milestone", "Milestone reached"
        COMPLETED = "batch.completed", "Completed"
        HALTED = "batch.halted", "Halted"
        CANCELLED = "batch.cancelled", "Cancelled"
        FAILED = "batch.failed", "Failed"
        TEST = "batch.test", "Test message"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20, choices=Event.choices)
    data = models.JSONField(default=dict)
    webhook = models.ForeignKey(Webhook, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True, help_text="The next attempt; empty: delivered or given up.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True, help_text="What the receiver said to the last attempt.")

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ("-pk",)
        indexes = [models.Index(fields=["due_at"], name="delivery_due", condition=Q(due_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.event} of {self.batch_id} to {self.webhook or self.user}"

    @property
    def message_id(self) -> str:
        """The same at every attempt, so that a receiver can take it once."""
        return f"msg_batchportal_{self.pk}"


class Tally(models.Model):
    """A count that outlives the process that counted: what `/metrics` shows of workers, which are other processes."""

    name = models.CharField(max_length=60)
    labels = models.CharField(max_length=200, blank=True, help_text="The labels' values, a tab between two.")
    count = models.FloatField(default=0.0)
    at = models.DateTimeField(help_text="When it was last added to.")

    class Meta:
        verbose_name_plural = "tallies"
        ordering = ("name", "labels")
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="tally_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.labels}: {self.count:g}"
