"""The pause of everything, and those there were."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from batches.models.fields import RedactedTextField


class GlobalPause(models.Model):
    """A time in which no worker takes an item of any batch. Batches keep their own status meanwhile.

    At most one is in force. Rows stay, as the record. Times are the database's.
    """

    in_force = models.BooleanField(default=True)
    reason = RedactedTextField()
    actor = models.CharField(max_length=150, blank=True)
    began_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    lifted_reason = RedactedTextField(blank=True)

    class Meta:
        ordering = ("-pk",)
        default_permissions = ()
        permissions = [("pause_everything", "Can pause everything, and lift that again")]
        constraints = [
            models.UniqueConstraint(fields=["in_force"], name="one_global_pause", condition=Q(in_force=True)),
        ]

    def __str__(self) -> str:
        return f"{self.began_at}: {self.reason}"
