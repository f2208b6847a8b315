"""Watch: mail about a batch, a processor or everything for a person who wants it, at once or as a digest."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches import accounts, processors
from batches.exceptions import InvalidInput
from batches.lifecycle.watchers import unwatched
from batches.models import Batch, Delivery, Preference, StandingWatch, Watch
from batches.operations.lookups import get_batch
from batches.reader_zone import zone_of

EVERYTHING = ""
"""In place of a processor: every batch."""


def watch(batch_id: str, user: AbstractBaseUser) -> None:
    """Mail this person about the batch: its milestones, and its end or halt. Asked for twice, it is done once."""
    batch = get_batch(batch_id)
    refuse_without_address(user)
    Watch.objects.get_or_create(batch=batch, user_id=user.pk)


def unwatch(batch_id: str, user: AbstractBaseUser) -> None:
    """No more mail about the batch for this person, unless he watches its processor or everything."""
    batch = get_batch(batch_id)
    with transaction.atomic():
        Watch.objects.filter(batch=batch, user_id=user.pk).delete()
        unwatched(held_for(user).filter(batch=batch)).delete()


def is_watching(batch: Batch, user: AbstractBaseUser) -> bool:
    return Watch.objects.filter(batch=batch, user_id=user.pk).exists()


def watch_processor(processor: str, user: AbstractBaseUser) -> None:
    """Mail this person when a batch of the processor (`EVERYTHING`: any batch) ends or halts.

    Raises `UnknownProcessor`, and `InvalidInput` for an account without a mail address.
    """
    if processor != EVERYTHING:
        processors.get(processor)
    refuse_without_address(user)
    StandingWatch.objects.get_or_create(processor=processor, user_id=user.pk)


def unwatch_processor(processor: str, user: AbstractBaseUser) -> None:
    """No more mail of that kind, also where the processor is gone; batches that are watched by themselves stay so."""
    with transaction.atomic():
        StandingWatch.objects.filter(processor=processor, user_id=user.pk).delete()
        unwatched(held_for(user)).delete()


def standing_watches(user: AbstractBaseUser) -> list[str]:
    """The processors that the person watches, by name; `EVERYTHING` for every batch."""
    rows = StandingWatch.objects.filter(user_id=user.pk).order_by("processor")
    return list(rows.values_list("processor", flat=True))


def stop_all_mail(user: AbstractBaseUser) -> int:
    """End every watch of the person; what was not sent yet is not sent any more. Returns how many watches ended."""
    with transaction.atomic():
        ended = Watch.objects.filter(user_id=user.pk).delete()[0]
        ended += StandingWatch.objects.filter(user_id=user.pk).delete()[0]
        owed = Delivery.objects.filter(Delivery.OWED, user_id=user.pk)
        owed.update(due_at=None, held=False, answer="Not sent: its receiver ended all mail.")
    return ended


def choose_digest(user: AbstractBaseUser, hour: int | None, zone: str = "") -> Preference:
    """Mail as one digest at that hour of each day (0 to 23), or each message at once (None).

    The hour is of the person's own zone; of `zone` where he has none. Raises `InvalidInput`.
    """
    if hour is not None and hour not in range(24):
        raise InvalidInput("hour: An hour of the day, 0 to 23.", {"hour": ["An hour of the day, 0 to 23."]})
    if zone and zone_of(zone) is None:
        raise InvalidInput(f"zone: There is no time zone {zone!r}.", {"zone": ["There is no such time zone."]})
    preference = mail_preference(user)
    preference.digest_hour, preference.digest_zone = hour, zone
    preference.digest_at = preference.digest_after(timezone.now())
    values = {name: getattr(preference, name) for name in ("digest_hour", "digest_zone", "digest_at")}
    Preference.objects.update_or_create(user_id=user.pk, defaults=values)
    return preference


def mail_preference(user: AbstractBaseUser) -> Preference:
    """What the person has chosen; not stored where he has chosen nothing."""
    return Preference.objects.filter(user_id=user.pk).first() or Preference(user_id=user.pk)


def held_for(user: AbstractBaseUser) -> QuerySet[Delivery]:
    """What waits for the person's next digest."""
    return Delivery.objects.filter(user_id=user.pk, held=True)


def refuse_without_address(user: AbstractBaseUser) -> None:
    if not accounts.mail_address(user):
        raise InvalidInput("Your account has no mail address; an admin can add one.", {"email": ["Missing."]})
