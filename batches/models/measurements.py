"""Counts kept for charts and `/metrics`; all of them may be lost."""

from __future__ import annotations

from django.db import models

from batches.models.batch import Batch


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
