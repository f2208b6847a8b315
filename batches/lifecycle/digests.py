"""A digest by choice: what a person would have been mailed since the last one, as one mail at an hour of the day.

Until then each message stands in the log of deliveries as held. Whoever sweeps makes the digests that are due; the one
statement that moves a person's next hour decides between two who do so.
"""

from __future__ import annotations

from datetime import tzinfo

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse

from batches import clock
from batches.conf import settings
from batches.lifecycle import messages
from batches.models import Delivery, Preference
from batches.moments import moment

MOST_LINES = 500


def queue_due() -> int:
    """Make the digests whose hour has come, and let go what is held for nobody's digest; returns how many were made."""
    release_stranded()
    due = Preference.objects.filter(digest_at__lte=clock.now_sql()).order_by("digest_at")
    return sum(queue_digest(preference) for preference in due)


def queue_digest(preference: Preference) -> bool:
    """What is held for the person as one delivery, and the next hour; False: another did so, or nothing is held."""
    now = clock.now()
    seen = Preference.objects.filter(pk=preference.pk, digest_at=preference.digest_at)
    with transaction.atomic():
        if not seen.update(digest_at=preference.digest_after(now)):
            return False
        held = Delivery.objects.filter(user=preference.pk, held=True).select_related("batch").order_by("pk")
        rows = list(held)
        if not rows:
            return False
        Delivery.objects.create(
            event=Delivery.Event.DIGEST, user_id=preference.pk, due_at=now, data=digest_data(rows, preference.hour_zone)
        )
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return True


def digest_data(rows: list[Delivery], zone: tzinfo) -> dict[str, object]:
    """The text of each message with its time and link, the oldest first, and how many there were."""
    lines = [
        {
            "text": f"{moment(row.created_at, zone=zone, seconds=False)}: {messages.subject_of(row)}",
            "reason": row.data.get("reason", ""),
            "url": row.data["url"],
        }
        for row in rows[:MOST_LINES]
    ]
    return {"messages": len(rows), "lines": lines, "url": settings.PORTAL_URL + reverse("admin:batches_mail")}


def release_stranded() -> None:
    """Send by itself what is held for a person who wants no digest any more."""
    wants_digest = Preference.objects.filter(user=OuterRef("user"), digest_hour__isnull=False)
    stranded = Delivery.objects.filter(~Exists(wants_digest), held=True)
    if stranded.exists():
        stranded.update(held=False, due_at=clock.now())
