"""Watch: mail about a batch for a person who wants it."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser

from batches.exceptions import InvalidInput
from batches.models import Batch, Watch
from batches.operations.lookups import get_batch


def watch(batch_id: str, user: AbstractBaseUser) -> None:
    """Mail this person about the batch: its milestones, and its end or halt. Asked for twice, it is done once."""
    batch = get_batch(batch_id)
    if not getattr(user, "email", ""):
        raise InvalidInput("Your account has no mail address; an admin can add one.", {"email": ["Missing."]})
    Watch.objects.get_or_create(batch=batch, user_id=user.pk)


def unwatch(batch_id: str, user: AbstractBaseUser) -> None:
    """No more mail about the batch for this person."""
    Watch.objects.filter(batch=get_batch(batch_id), user_id=user.pk).delete()


def is_watching(batch: Batch, user: AbstractBaseUser) -> bool:
    return Watch.objects.filter(batch=batch, user_id=user.pk).exists()
