"""A new password ends the tokens of its account, but for those that were made to survive it.

Django rewrites a password's hash at a sign-in when its way of hashing has changed: that is no new password.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.db.models.signals import post_save, pre_save

from batches.access.tokens import revoke

NEW_PASSWORD = "_has_new_password"  # noqa: S105 - the name of a mark
REASON = "the password of the account was changed"


def mark_new_password(
    sender: Any, instance: Any, update_fields: Collection[str] | None = None, raw: bool = False, **kwargs: Any
) -> None:
    """Before the row is saved, whether its password is another one than the stored."""
    changed = False
    if instance.pk and not raw and (update_fields is None or "password" in update_fields):
        stored = sender._default_manager.filter(pk=instance.pk).values_list("password", flat=True).first()
        changed = stored is not None and stored != instance.password and not is_rehash(instance, update_fields)
    setattr(instance, NEW_PASSWORD, changed)


def is_rehash(user: Any, update_fields: Collection[str] | None) -> bool:
    """Whether Django writes the same password in another form: alone, and without keeping it to be validated."""
    return set(update_fields or ()) == {"password"} and user._password is None and bool(user.has_usable_password())


def end_tokens(sender: Any, instance: Any, **kwargs: Any) -> None:
    if getattr(instance, NEW_PASSWORD, False):
        setattr(instance, NEW_PASSWORD, False)
        revoke(Q(user=instance.pk, survives_password_change=False), str(instance.get_username()), REASON)


def connect() -> None:
    """Once apps are loaded: whatever user model the project has."""
    pre_save.connect(mark_new_password, sender=get_user_model(), dispatch_uid="batches.access")
    post_save.connect(end_tokens, sender=get_user_model(), dispatch_uid="batches.access")
