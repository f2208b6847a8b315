"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from batches.lifecycle import deliveries
from batches.models import Webhook
from tests.helpers.http_server import Server, served


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    with served() as made:
        settings.PORTAL_OUTBOUND_HOSTS = [made.address]
        yield made


@pytest.fixture
def other_server(server: Server, settings: Any) -> Iterator[Server]:
    """One more, that the portal may talk to as well."""
    with served() as made:
        settings.PORTAL_OUTBOUND_HOSTS = [server.address, made.address]
        yield made


@pytest.fixture
def hook(server: Server) -> Webhook:
    return Webhook.objects.create(url=f"http://{server.address}/hook", secret=deliveries.new_secret())


@pytest.fixture
def ana(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("ana", "ana@example.com", "x")
