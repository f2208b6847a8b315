"""Bulk retries and the fate of each of their items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import models
from django.db.models import Q

from batches.models.batch import Batch
from batches.models.fields import RedactedTextField
from batches.models.item import Item


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
    OUTCOMES = ("recovered", "failed_again", "failed_same", "failed_differently", "skipped", "waiting")

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="retries")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.RETRY)
    scope = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    note = RedactedTextField(blank=True, help_text="Why it is in this state, in words for people.")
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
    actual = models.JSONField(null=True, blank=True, help_text="What came of it, once it was over; null before.")
    key = models.CharField(max_length=100, blank=True, help_text="The same key twice is one retry.")
    reason = RedactedTextField(blank=True)
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
        indexes = [
            models.Index(fields=["id"], name="retry_to_compare", condition=Q(state="DONE", actual__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} retry {self.number}"

    def outcome(self) -> dict[str, int]:
        """How many of its items recovered, failed again (the same way or another), were skipped, or wait."""
        return Retry.outcomes([self])[self.pk]

    @classmethod
    def outcomes(cls, retries: Sequence[Retry]) -> dict[int, dict[str, int]]:
        """The outcome of each by its id: as it was kept once it was over; all others are counted at once."""
        outcomes = {retry.pk: dict.fromkeys(cls.OUTCOMES, 0) | (retry.actual or {}) for retry in retries}
        to_count = [retry.pk for retry in retries if not retry.actual]
        for pk, fate, status, count in RetriedItem.counted(to_count) if to_count else ():
            for name in RetriedItem.names(fate, status):
                outcomes[pk][name] += count
        unwritten = {retry.pk: retry.items for retry in retries if retry.state == cls.State.PREPARING}
        return outcomes | {pk: dict.fromkeys(cls.OUTCOMES, 0) | {"waiting": n} for pk, n in unwritten.items()}


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

    UNTRIED = (Fate.WAITING, Fate.SKIPPED)
    """Never put back."""

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
        if status in Item.SUCCESSFUL_STATUSES:
            return ("recovered",)
        return ("failed_again",) if status in Item.FAILED_STATUSES else ("waiting",)
