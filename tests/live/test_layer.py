"""Hints over a real channel layer: they may come in bursts, and they may stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Any

import httpx
import pytest
from channels_redis.core import RedisChannelLayer
from django.db.models import F

from batches import operations
from batches.lifecycle.hints import GROUP
from batches.live import listening
from batches.models import Batch, Checkpoint
from tests.helpers.batches import modes, submitted
from tests.helpers.sockets import Web, by_token, frames, path_of, serving
from tests.helpers.waiting import PATIENCE
from tests.servers.valkey import Valkey

HINTS, MOST_A_SECOND = 500, 4


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    server = Valkey().start()
    yield server
    server.kill()


@pytest.fixture
def layered(valkey: Valkey, django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    yield from serving({"REDIS_URL": valkey.url, "CELERY_BROKER_URL": valkey.url})


def running(count: int) -> Batch:
    batch = submitted(modes(*["ok"] * count))
    operations.start(batch.pk)
    Batch.objects.filter(pk=batch.pk).update(status="RUNNING")
    Checkpoint.objects.get_or_create(batch=batch, lane=0)
    return batch


def one_more(batch: Batch) -> None:
    Checkpoint.objects.filter(batch=batch, lane=0).update(succeeded=F("succeeded") + 1)


@pytest.mark.full
def test_it_shows_the_last_state_after_a_burst_of_hints(engine: None, layered: Web, valkey: Valkey) -> None:
    batch = running(HINTS + 1)

    async def burst() -> None:
        layer = RedisChannelLayer(hosts=[valkey.url])
        for _ in range(HINTS):
            await layer.group_send(GROUP, {"type": "hint", "batches": [batch.pk]})

    with layered.socket(path_of(batch), **by_token()) as socket:
        said = frames(socket)
        assert next(said)["completed"] == 0
        began = monotonic()
        for _ in range(HINTS):
            one_more(batch)
        asyncio.run(burst())
        shown = [frame["completed"] for frame in until(said, HINTS)]
    assert shown[-1] == HINTS
    assert len(shown) <= MOST_A_SECOND * (monotonic() - began + 1)


@pytest.mark.full
@pytest.mark.any_database
def test_it_goes_on_from_the_database_when_the_layer_and_the_broker_die(
    engine: None, layered: Web, valkey: Valkey
) -> None:
    batch = running(10)
    with layered.socket(path_of(batch), **by_token()) as socket:
        said = frames(socket)
        assert next(said)["completed"] == 0
        assert readiness(layered) == (200, "degraded: no worker")
        valkey.kill()
        assert readiness(layered) == (200, "degraded: no broker and no layer and no worker")
        for count in (1, 2, 3):
            one_more(batch)
            assert [frame["completed"] for frame in until(said, count)][-1] == count
    headers = by_token()["additional_headers"]
    answer = httpx.get(f"{layered.origin}/api/batches/{batch.pk}/progress", headers=headers, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["completed"]) == (200, 3)


def test_it_hears_hints_again_when_the_layer_was_restarted_empty(valkey: Valkey, monkeypatch: Any) -> None:
    async def run() -> None:
        layer = RedisChannelLayer(hosts=[valkey.url])
        monkeypatch.setattr(listening, "get_channel_layer", lambda: layer)
        heard: asyncio.Queue[list[str]] = asyncio.Queue()
        task = asyncio.create_task(listening.Listener(heard.put_nowait).run())  # type: ignore[arg-type]
        await until_heard(heard, "before")
        valkey.kill()
        valkey.start()
        await until_heard(heard, "after")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until_heard(heard: asyncio.Queue[list[str]], batch_id: str) -> None:
        """Hints until one arrives, each over a connection of its own."""
        async with asyncio.timeout(PATIENCE):
            while heard.empty() or await heard.get() != [batch_id]:
                sender = RedisChannelLayer(hosts=[valkey.url])
                await sender.group_send(GROUP, {"type": "hint", "batches": [batch_id]})
                await asyncio.sleep(0.05)

    asyncio.run(run())


def readiness(portal: Web) -> tuple[int, str]:
    answer = httpx.get(f"{portal.origin}/readyz", timeout=PATIENCE)
    return answer.status_code, answer.text


def until(said: Iterator[dict[str, Any]], completed: int) -> Iterator[dict[str, Any]]:
    """Progress frames up to the one that shows so many."""
    for frame in said:
        if frame["type"] == "progress":
            yield frame
            if frame["completed"] >= completed:
                return
