"""The signing secrets of webhooks: renewed with an overlap, and kept encrypted with the newest key."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from batches.lifecycle.deliveries import new_secret
from batches.models import Webhook
from batches.models.encrypted import is_current

OVERLAP = timedelta(days=1)
FIELDS = ("secret", "previous_secret")


def renew(hook: Webhook) -> None:
    """Give the webhook a new signing secret; for a day messages are signed with the previous one, too.

    A receiver takes a message when one of its signatures is right, so that it has a day to learn the new secret.
    """
    hook.previous_secret, hook.previous_secret_until = hook.secret, timezone.now() + OVERLAP
    hook.secret = new_secret()
    hook.save(update_fields=[*FIELDS, "previous_secret_until"])


def forget_previous() -> int:
    """Forget the previous secrets whose day is over; returns how many."""
    over = Webhook.objects.filter(previous_secret_until__lt=timezone.now())
    return over.update(previous_secret="", previous_secret_until=None)


def reencrypt() -> int:
    """Encrypt with `SECRET_KEY` what one of its fallbacks encrypted; returns how many webhooks that were.

    After this the fallback is no longer needed.
    """
    tokens = Webhook.objects.values_list("pk", *(Cast(name, TextField()) for name in FIELDS))
    outdated = [pk for pk, *stored in tokens if not all(is_current(token) for token in stored if token)]
    with transaction.atomic():
        hooks = [hook for hook in Webhook.objects.select_for_update().filter(pk__in=outdated) if hook.secret]
        for hook in hooks:
            hook.save(update_fields=FIELDS)
    return len(hooks)
