"""What one person wants of the pages, and of the mail."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models


class Preference(models.Model):
    """The zone in which a person reads moments, and when mail comes; without a row the browser's, and at once."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    zone = models.CharField(max_length=64, blank=True, help_text="Such as Europe/Berlin; empty: the browser's own.")
    digest_hour = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(23)],
        help_text="The hour of the day at which mail comes as one digest; empty: each message at once.",
    )
    digest_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The zone of that hour where `zone` is empty: the browser's at the time.",
    )
    digest_at = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="When the next digest is due; empty: each message at once."
    )

    def __str__(self) -> str:
        return self.zone or "the browser's zone"

    @property
    def hour_zone(self) -> ZoneInfo:
        """The zone in which the hour of the digest is meant."""
        return ZoneInfo(self.zone or self.digest_zone or settings.TIME_ZONE)

    def digest_after(self, now: datetime) -> datetime | None:
        """The first digest later than `now`, in UTC; None for who wants none."""
        if self.digest_hour is None:
            return None
        today, zone = now.astimezone(self.hour_zone).date(), self.hour_zone
        hours = (datetime.combine(today + timedelta(days), time(self.digest_hour), zone) for days in range(3))
        return next(at for hour in hours if (at := hour.astimezone(UTC)) > now)
