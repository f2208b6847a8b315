"""What one person wants of the pages."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Preference(models.Model):
    """The zone in which a person reads moments; without a row, or an empty one, the browser's."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    zone = models.CharField(max_length=64, blank=True, help_text="Such as Europe/Berlin; empty: the browser's own.")

    def __str__(self) -> str:
        return self.zone or "the browser's zone"
