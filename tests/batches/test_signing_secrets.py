"""The signing secrets of webhooks: encrypted where they stand, renewed with an overlap, kept when the key changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from batches import tasks
from batches.lifecycle import deliveries, signing_secrets
from batches.models import Delivery, Webhook
from tests.helpers.http_server import Server
from tests.helpers.pages import page
from tests.helpers.people import signed_in
from tests.helpers.webhooks import queued_delivery

pytestmark = pytest.mark.usefixtures("engine")

OTHER_KEY = "another-key-of-the-portal-that-is-long-enough-4711-XyZ"


def stored() -> str:
    """What somebody reads who reads the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, previous_secret FROM batches_webhook")
        return str(cursor.fetchall())


def is_believed(server: Server, secret: str) -> bool:
    """Whether a receiver that knows this secret believes what came last."""
    request = server.seen[-1]
    try:
        Verifier(secret).verify(request["body"], request["headers"])
    except WebhookVerificationError:
        return False
    return True


def test_it_is_encrypted_in_the_database(hook: Webhook) -> None:
    signing_secrets.renew(hook)
    again = Webhook.objects.get()
    assert again.secret.startswith("whsec_")
    assert again.previous_secret.startswith("whsec_")
    assert "whsec_" not in stored()
    assert again.secret[6:20] not in stored()


def test_it_is_encrypted_anew_when_the_portals_key_has_changed(hook: Webhook, settings: Any) -> None:
    secret = hook.secret
    assert signing_secrets.reencrypt() == 0
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], OTHER_KEY
    assert Webhook.objects.get().secret == secret
    tasks.clean_up()
    assert signing_secrets.reencrypt() == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert Webhook.objects.get().secret == secret


def test_one_that_no_key_opens_fails_its_own_deliveries_in_words_and_can_be_renewed(
    hook: Webhook, server: Server, settings: Any, user_of: Any
) -> None:
    settings.SECRET_KEY = OTHER_KEY
    Webhook.objects.create(url=f"http://{server.address}/good", secret=deliveries.new_secret())
    queued_delivery()
    assert deliveries.send_due() == 2
    assert "Make a new secret" in Delivery.objects.get(webhook=hook).answer
    assert Delivery.objects.exclude(webhook=hook).get().delivered_at is not None
    assert signing_secrets.reencrypt() == 0
    client, hooks = signed_in(user_of("admin")), reverse("admin:batches_webhook_changelist")
    assert hook.url in page(client, hooks)
    client.post(hooks, {"action": "new_secret", "_selected_action": hook.pk}, follow=True)
    assert Webhook.objects.get(pk=hook.pk).secret.startswith("whsec_")


def test_a_receiver_has_a_day_to_learn_the_new_one(hook: Webhook, server: Server) -> None:
    old = hook.secret
    signing_secrets.renew(hook)
    queued_delivery()
    deliveries.send_due()
    assert is_believed(server, old)
    assert is_believed(server, hook.secret)
    Webhook.objects.update(previous_secret_until=timezone.now() - timedelta(seconds=1))
    queued_delivery()
    deliveries.send_due()
    assert not is_believed(server, old)
    assert is_believed(server, hook.secret)


def test_it_forgets_the_previous_one_after_its_day(hook: Webhook) -> None:
    signing_secrets.renew(hook)
    assert signing_secrets.forget_previous() == 0
    Webhook.objects.update(previous_secret_until=timezone.now() - timedelta(seconds=1))
    tasks.clean_up()
    assert Webhook.objects.get().previous_secret == ""
