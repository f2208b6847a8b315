"""What failed: one record a failed attempt, grouped by the cause its message has in common with others."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from batches.lanes.classification import CODES
from batches.models import ITEM_KEY_LENGTH, Batch, HexKeyField, Item, Retry

MANY_ATTEMPTS = 3
"""From so many failed attempts on, an item is a problem of its own."""
STANDING = Q(merged_into__isnull=True, by_place=False)
"""Groups in which errors count; the others only say where."""


class ErrorGroup(models.Model):
    """Similar failures of one processor, known by their fingerprint."""

    class State(models.TextChoices):
        NEW = "new", "New: nobody has looked at it"
        ACKNOWLEDGED = "acknowledged", "Acknowledged: somebody is on it"
        RESOLVED = "resolved", "Resolved: it should not come back"
        IGNORED = "ignored", "Ignored: known, and not worth a look"
        REGRESSED = "regressed", "Regressed: it came back after it was resolved"

    OPEN = (State.NEW, State.REGRESSED, State.ACKNOWLEDGED)
    CLOSED = (State.RESOLVED, State.IGNORED)

    processor = models.CharField(max_length=100, blank=True)
    fingerprint = models.CharField(max_length=16)
    error_type = models.CharField(max_length=200)
    code = models.CharField(max_length=64)
    category = models.CharField(max_length=12, choices=[(category, category) for category in CODES])
    title = models.CharField(max_length=600, help_text="The message's template, with the payload's fields named.")
    key = models.CharField(max_length=600, blank=True, help_text="What they have in common, as it was hashed.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    resolved_at = models.DateTimeField(null=True, blank=True, help_text="Attempts started later make it regress.")
    resolved_in = models.CharField(
        max_length=50, blank=True, help_text="Version of the processor from which on it should not happen; empty: any."
    )
    late = models.PositiveIntegerField(
        default=0, help_text="Errors since it was resolved that did not count against it."
    )
    clean_after = models.ForeignKey(
        Retry,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="It is to be resolved when no item of this retry fails in the same way.",
    )
    clean_by = models.CharField(max_length=150, blank=True, help_text="Who asked for that.")
    ignored_at = models.DateTimeField(null=True, blank=True)
    until = models.JSONField(
        default=dict,
        blank=True,
        help_text="What ends that: date, items, rate or next_batch; empty: nothing does.",
    )
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="merged",
        help_text="Where errors of its fingerprint count, because somebody said so.",
    )
    by_place = models.BooleanField(
        default=False, help_text="Errors of its fingerprint count in a group for each place in the code."
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField(help_text="To a few seconds: lanes must not queue up to write it.")

    class Meta:
        ordering = ("-last_seen", "pk")
        permissions = [("triage_error", "Can triage errors")]
        constraints = [models.UniqueConstraint(fields=["processor", "fingerprint"], name="error_group")]

    def __str__(self) -> str:
        return self.title

    @property
    def stands(self) -> bool:
        """Whether errors count in it; otherwise it only says where."""
        return self.merged_into_id is None and not self.by_place


class GroupChange(models.Model):
    """One change of a group's state, or one act upon it: who, what, why."""

    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="changes")
    verb = models.CharField(max_length=20)
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("group", "pk")

    def __str__(self) -> str:
        return f"{self.group_id}: {self.from_state} -> {self.to_state}"


class GroupMove(models.Model):
    """A merge or split of so many errors that a worker does it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting: a worker will do it, or is doing it"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused: it was not legal any more when its turn came"

    verb = models.CharField(max_length=20)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="moves")
    other = models.ForeignKey(ErrorGroup, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    errors = models.PositiveBigIntegerField(help_text="In the group when it was asked for.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    actor = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group"], name="group_move", condition=models.Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.group_id}"


class BatchGroup(models.Model):
    """One group within one batch: how many failed attempts of how many items, and when."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_groups", db_index=False)
    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="batches")
    errors = models.PositiveIntegerField(default=0)
    items = models.PositiveIntegerField(default=0)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        ordering = ("-errors", "pk")
        constraints = [models.UniqueConstraint(fields=["batch", "group"], name="batch_group")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.errors} x {self.group}"


class Findings(models.Model):
    """What the detectors found at their last look at a batch, and how much there was to see then."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="findings")
    found = models.JSONField(default=list)
    problems = models.JSONField(default=list, help_text="Items that keep failing, and what they are.")
    scatter = models.CharField(max_length=200, blank=True, help_text="Whether failures clump, in a sentence.")
    looks = models.PositiveIntegerField(default=0, help_text="Each look at a running batch spends of the budget.")
    errors = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, help_text="When the batch had finished, if it had.")
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "findings"

    def __str__(self) -> str:
        return f"{self.batch_id}: {len(self.found)} findings"


class Timeline(models.Model):
    """A batch's errors over time, as they were last counted, for all groups at once."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="timeline")
    revision = models.CharField(max_length=120, help_text="What the batch's groups looked like then.")
    start = models.FloatField(help_text="Where the first bin begins, in seconds since 1970.")
    width = models.FloatField(help_text="Seconds a bin.")
    bins = models.PositiveIntegerField()
    groups = models.JSONField(default=dict, help_text="Group id -> [bin, errors] of the bins that have any.")
    took = models.FloatField(default=0.0, help_text="Seconds the counting took.")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.bins} bins of {self.width:g} s"


class Traceback(models.Model):
    """Where an exception came from; stored once however many failures share it."""

    sha256 = HexKeyField(primary_key=True, max_length=32)
    frame = models.CharField(max_length=200, help_text="module.function of the innermost frame.")
    text = models.TextField()

    def __str__(self) -> str:
        return self.frame


class ErrorRecord(models.Model):
    """One failed attempt of one item; never changed, but for the group in which it counts."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="error_records", db_index=False)
    item = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.CASCADE, related_name="error_records", db_index=False
    )
    group = models.ForeignKey(ErrorGroup, on_delete=models.PROTECT, related_name="records", db_index=False)
    origin = models.ForeignKey(
        ErrorGroup,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The group of its own, if that was merged into the one in which it counts.",
    )
    item_key = models.CharField(max_length=ITEM_KEY_LENGTH)
    position = models.BigIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    error_type = models.CharField(max_length=200)
    code = models.CharField(max_length=64)
    category = models.CharField(max_length=12)
    classified_by = models.CharField(max_length=10)
    retryable = models.BooleanField(null=True, help_text="Empty: it depends.")
    message = models.TextField()
    fields = models.JSONField(default=list, help_text="Payload fields the processor named as the culprits.")
    asked_wait = models.FloatField(
        null=True, blank=True, help_text="Seconds after which the other side would be asked again, as it said itself."
    )
    traceback = models.ForeignKey(
        Traceback, null=True, blank=True, on_delete=models.PROTECT, related_name="records", db_index=False
    )
    final = models.BooleanField(default=True, help_text="False: the item was to be tried again.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(fields=["item", "attempt"], name="error_attempt"),
            models.UniqueConstraint(
                fields=["batch", "item_key", "attempt"], name="error_ad_hoc", condition=Q(item__isnull=True)
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="error_batch"),
            models.Index(fields=["group", "batch", "id"], name="error_group_batch"),
            models.Index(fields=["batch", "position"], name="error_position"),
            models.Index(fields=["batch", "finished_at", "group"], name="error_time"),
            models.Index(fields=["origin"], name="error_origin", condition=Q(origin__isnull=False)),
            models.Index(
                fields=["batch", "-attempt", "position"],
                name="error_problems",
                condition=Q(attempt__gte=MANY_ATTEMPTS),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_key}: {self.code}"


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
    reason = models.TextField(blank=True)
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


class Advised(models.Model):
    """What a batch looked like when its recommendations were last worked out."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="advised")
    looked = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "advised"

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.looked}"


class RecoveryPlan(models.Model):
    """The steps back to health, as they were worked out; worked out anew only when somebody asks."""

    class State(models.TextChoices):
        OPEN = "open", "Open: its steps wait to be done one by one"
        RUNNING = "running", "Running: it goes on by itself whenever the batch is at rest"
        PAUSED = "paused", "Paused: nothing of it begins until somebody resumes it"
        DONE = "done", "Done: every step is over, or left out"
        CANCELLED = "cancelled", "Cancelled: the steps that had not begun are left out"

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, primary_key=True, related_name="recovery_plan")
    totals = models.JSONField(default=dict)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    note = models.TextField(blank=True, help_text="Why it is in this state, in words for people.")
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
    note = models.TextField(blank=True, help_text="Why it is held or left out.")
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    retry = models.PositiveIntegerField(null=True, blank=True)
    undo = models.JSONField(default=dict, help_text="What takes it back; empty: nothing does.")

    class Meta:
        ordering = ("plan", "step")
        constraints = [models.UniqueConstraint(fields=["plan", "step"], name="plan_step")]

    def __str__(self) -> str:
        return self.title


class BulkAct(models.Model):
    """A verb upon many error groups: which it changed, how they stood before, and which it could not and why."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="bulk_acts", db_index=False)
    number = models.PositiveIntegerField()
    verb = models.CharField(max_length=20)
    filter = models.JSONField(default=dict, help_text="What the desk was filtered by.")
    key = models.CharField(max_length=100, help_text="The same key twice is done once.")
    changed = models.JSONField(default=list, help_text="group, fingerprint, title, and the state before and after.")
    refused = models.JSONField(default=list, help_text="fingerprint, title and why.")
    actor = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)
    undone = models.JSONField(default=dict, help_text="by, at, and the groups that were changed since and stay so.")

    class Meta:
        ordering = ("batch", "number")
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="bulk_act_number"),
            models.UniqueConstraint(fields=["batch", "key"], name="bulk_act_key"),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.verb} {len(self.changed)} groups"


class Export(models.Model):
    """An export that somebody asked for: who, what, how many rows. What is too long for a download becomes a file."""

    class State(models.TextChoices):
        STREAMED = "streamed", "Streamed: handed out while it was made"
        QUEUED = "queued", "Queued: a worker will make it"
        RUNNING = "running", "Running: it is being made"
        READY = "ready", "Ready: it can be downloaded until it expires"
        FAILED = "failed", "Failed: it could not be made"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired: its file is gone"

    OPEN = (State.QUEUED, State.RUNNING)

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="exports", db_index=False)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    format = models.CharField(max_length=10)
    filters = models.JSONField(default=dict, help_text="Which errors were asked for; empty: all of the batch.")
    raw = models.BooleanField(default=False, help_text="Cells as they are, also those that a spreadsheet would run.")
    rows = models.PositiveIntegerField(help_text="Counted when it was asked for.")
    frozen_to = models.PositiveBigIntegerField(help_text="The last error that it means.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    note = models.TextField(blank=True, help_text="Why it is in this state, in words for people.")
    done = models.PositiveIntegerField(default=0, help_text="Rows that stand in its file.")
    written = models.PositiveBigIntegerField(default=0, help_text="Bytes of its file that count.")
    place = models.JSONField(null=True, help_text="Where its next page begins.")
    file = models.CharField(max_length=80, blank=True, help_text="Name of its file, or of what there is of it.")
    fence = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="export_number")]

    def __str__(self) -> str:
        return f"{self.batch_id} export {self.number}"

    @property
    def percent(self) -> float:
        """Floored: only a file that is whole is 100."""
        if self.state in (self.State.READY, self.State.STREAMED, self.State.EXPIRED):
            return 100.0
        return min(99.9, 1000 * self.done // max(1, self.rows) / 10)
