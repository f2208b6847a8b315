"""The processes that work on batches, on whatever machine."""

from __future__ import annotations

from django.db import models

from batches.models.item import Item


class Worker(models.Model):
    """A process that works, or worked, on batches: its heartbeat, and the code it runs.

    Times are the database's. No column written by a heartbeat is indexed. What a worker holds, its lanes say. Rows of
    the dead go after a day.
    """

    name = models.CharField(max_length=120, primary_key=True, help_text="host:origin:pid:start of the process.")
    host = models.CharField(max_length=80)
    code = models.CharField(max_length=12, help_text="Hash of the engine and of all processors, as it loaded them.")
    processors = models.JSONField(
        default=dict, help_text="By name, the processors it knows: a hash of their code and parameters."
    )
    declined = models.JSONField(
        default=dict, blank=True, help_text="By batch, why this worker leaves it to others: it cannot run it."
    )
    started_at = models.DateTimeField()
    heard_at = models.DateTimeField(help_text="When it was last seen alive.")

    class Meta:
        ordering = ("host", "name")

    def __str__(self) -> str:
        return self.name


class Crash(models.Model):
    """A worker that was taken for dead with an item in flight: at two of these the item is quarantined."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    worker = models.CharField(max_length=120)
    at = models.DateTimeField(help_text="By the database's clock.")

    def __str__(self) -> str:
        return f"{self.item_id}: {self.worker} at {self.at}"
