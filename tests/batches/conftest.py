"""Fixtures of the engine's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from batches.lifecycle import deliveries
from batches.models import Webhook
from tests.helpers.http_server import Server


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    settings.PORTAL_OUTBOUND_HOSTS = [made.address]
    yield made
    made.is_over.set()
    made.shutdown()
    made.server_close()


@pytest.fixture
def hook(server: Server) -> Webhook:
    return Webhook.objects.create(url=f"http://{server.address}/hook", secret=deliveries.new_secret())


@pytest.fixture
def ana(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("ana", "ana@example.com", "x")
