"""The hub: one read for all who watch, and nothing that queues up for a slow one."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

from django.db import InterfaceError, OperationalError

from batches import operations
from batches.live import hub as hubs
from batches.live import listening
from batches.live.admission import Admission
from batches.live.consumers import LARGEST_BACKLOG, ProgressConsumer
from batches.live.frames import essence_of
from batches.live.hub import Hub
from batches.models import Batch
from batches.progress_text import words_of
from batches.progress_tracker import get_progress
from tests.helpers.batches import modes, submitted
from tests.helpers.waiting import PATIENCE


class Socket(ProgressConsumer):
    """A consumer whose client takes what it is sent only when the test says so."""

    def __init__(self, *batch_ids: str) -> None:
        super().__init__()
        self.admission, self.batch_ids, self.unread = Admission(1, ""), batch_ids, 0
        self.latest, self.events, self.closing = {}, deque(maxlen=32), None
        self.sent: list[str] = []
        self.code: int | None = None
        self.backlog = lambda: self.unread

    async def send(self, text_data: Any = None, *args: Any, **kwargs: Any) -> None:
        self.sent.append(text_data)

    async def close(self, code: Any = None, reason: Any = None) -> None:
        self.code = code


def reading(batch: Batch) -> hubs.Reading:
    progress = get_progress(batch.pk)
    return hubs.Reading({batch.pk: batch}, {batch.pk: progress}, {batch.pk: words_of(batch, progress)}, [], set())


def in_loop(work: Any) -> None:
    """With a hub that belongs to this loop and reads nothing by itself."""

    async def run() -> None:
        await work(hubs.hub())

    asyncio.run(run())


def watch(hub: Hub, *sockets: Socket) -> None:
    for socket in sockets:
        for batch_id in socket.batch_ids:
            hub.watchers[batch_id].add(socket)
            hub.last_shown[batch_id].newcomers.add(socket)


def test_it_encodes_once_for_all_who_watch(engine: None) -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)  # whose sentence takes a question to the database, which a loop must not ask
    batch.refresh_from_db()
    sockets = [Socket(batch.pk) for _ in range(50)]
    found = reading(batch)

    async def work(hub: Hub) -> None:
        watch(hub, *sockets)
        await hub.publish(batch.pk, found)
        assert all(socket.sent[0] is sockets[0].sent[0] for socket in sockets)

    in_loop(work)


def test_it_says_nothing_twice_but_gives_newcomers_their_snapshot(engine: None) -> None:
    batch = submitted(modes("ok"))
    early, late = Socket(batch.pk), Socket(batch.pk)
    found = reading(batch)

    async def work(hub: Hub) -> None:
        watch(hub, early)
        await hub.publish(batch.pk, found)
        await hub.publish(batch.pk, found)
        watch(hub, late)
        await hub.publish(batch.pk, found)
        assert (len(early.sent), len(late.sent)) == (1, 1)

    in_loop(work)


def test_it_keeps_only_the_latest_for_a_slow_client_and_still_sends_the_final_state(engine: None) -> None:
    batch = submitted(modes("ok"))
    slow, quick = Socket(batch.pk), Socket(batch.pk)
    found = reading(batch)

    async def work(hub: Hub) -> None:
        watch(hub, slow, quick)
        slow.unread = LARGEST_BACKLOG + 1
        for n in range(500):
            found.words = {batch.pk: {"reason": str(n)}}
            hub.last_shown[batch.pk].essence = None
            await hub.publish(batch.pk, found)
        batch.status = Batch.Status.CANCELLED
        await hub.publish(batch.pk, found)
        assert (len(quick.sent), quick.code) == (500, 1000)
        assert (slow.sent, slow.code, len(slow.latest)) == ([], None, 1)
        await hub.catch_up()
        assert slow.sent == []
        slow.unread = 0
        await hub.catch_up()
        assert (len(slow.sent), slow.code, hub.behind) == (1, 1000, set())
        assert json.loads(slow.sent[0])["reason"] == "499"

    in_loop(work)


def test_it_keeps_a_bounded_number_of_events_for_a_slow_client() -> None:
    slow = Socket("b")
    slow.unread = LARGEST_BACKLOG + 1

    async def work(hub: Hub) -> None:
        for n in range(1000):
            await slow.tell(str(n))
        assert len(slow.events) == 32

    in_loop(work)


def test_it_does_not_take_a_running_clock_for_news(engine: None) -> None:
    batch = submitted(modes("ok"))
    state = get_progress(batch.pk).to_dict()
    assert essence_of(state | {"active_seconds": 99.0, "eta_human": "9s"}) == essence_of(state)
    assert essence_of(state | {"completed": 1}) != essence_of(state)
    assert essence_of(state | {"stuck": True}) != essence_of(state)


class Broken(Socket):
    """A socket that is gone, and whose server says so loudly."""

    async def send(self, text_data: Any = None, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("gone")

    async def close(self, code: Any = None, reason: Any = None) -> None:
        raise RuntimeError("gone")


def test_it_is_not_disturbed_by_a_socket_that_is_gone(engine: None) -> None:
    batch = submitted(modes("ok"))
    sockets = [Broken(batch.pk), Socket(batch.pk), Broken(batch.pk), Socket(batch.pk)]
    found = reading(batch)

    async def work(hub: Hub) -> None:
        watch(hub, *sockets)
        await hub.publish(batch.pk, found)
        assert hub.everyone() == {sockets[1], sockets[3]}
        await hub.finish(batch.pk, 1000)

    in_loop(work)
    assert [len(socket.sent) for socket in sockets] == [0, 1, 0, 1]
    assert [socket.code for socket in sockets] == [None, 1000, None, 1000]


def test_it_goes_on_when_the_database_is_back(engine: None, monkeypatch: Any) -> None:
    batch = submitted(modes("ok"))
    found, socket = reading(batch), Socket(batch.pk)
    tries = iter([InterfaceError("connection already closed"), OperationalError("away"), InterfaceError("again")])

    def answering(value: Any) -> Any:
        def answer(*arguments: Any) -> Any:
            if error := next(tries, None):
                raise error
            return value

        return answer

    monkeypatch.setattr(hubs, "newest_transition", answering(7))
    monkeypatch.setattr(hubs, "read", answering(found))
    monkeypatch.setattr(hubs, "TROUBLE_SECONDS", 0.0)

    async def work(hub: Hub) -> None:
        watch(hub, socket)
        for _ in range(4):
            await hub.look()

    in_loop(work)
    assert [json.loads(frame)["batch_id"] for frame in socket.sent] == [batch.pk]


class Layer:
    """A channel layer that refuses the first so many joins, and says something at the join it is told to."""

    def __init__(self, refusals: int = 0, speaks_at: int = 1) -> None:
        self.refusals, self.speaks_at, self.joins = refusals, speaks_at, 0
        self.members = set[str]()
        self.hints: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def new_channel(self) -> str:
        return "ours"

    async def group_add(self, group: str, channel: str) -> None:
        self.joins += 1
        if self.joins <= self.refusals:
            raise ConnectionError("refused")
        self.members.add(channel)
        if self.joins - self.refusals == self.speaks_at:
            self.hints.put_nowait({"batches": ["a"]})

    async def group_discard(self, group: str, channel: str) -> None:
        self.members.discard(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self.hints.get()


def listen_to(layer: Layer, monkeypatch: Any) -> None:
    """Until the first hint was heard."""
    monkeypatch.setattr(listening, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(listening, "TROUBLE_SECONDS", 0.01)

    async def run() -> None:
        heard = asyncio.Event()
        task = asyncio.create_task(listening.Listener(lambda moved: heard.set()).run())
        await asyncio.wait_for(heard.wait(), PATIENCE)
        assert layer.members == {"ours"}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_it_says_once_that_the_layer_is_away_and_once_that_it_is_back(monkeypatch: Any, caplog: Any) -> None:
    listen_to(Layer(refusals=3), monkeypatch)
    said = [record.getMessage() for record in caplog.records if record.name == "batches"]
    assert len(said) == 2
    assert "no hints" in said[0]
    assert "is back" in said[1]


def test_it_leaves_the_group_when_nobody_watches_any_more(monkeypatch: Any) -> None:
    layer = Layer()
    listen_to(layer, monkeypatch)
    assert layer.members == set()


def test_it_joins_again_after_a_silence_for_the_layer_may_have_forgotten_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(listening, "JOIN_SECONDS", 0.01)
    listen_to(Layer(speaks_at=3), monkeypatch)


def test_it_says_whether_a_look_had_something_to_show(engine: None) -> None:
    batch = submitted(modes("ok"))
    socket, found = Socket(batch.pk), reading(batch)

    async def work(hub: Hub) -> None:
        watch(hub, socket)
        assert [await hub.publish(batch.pk, found) for _ in range(2)] == [True, False]

    in_loop(work)


def test_it_asks_the_database_once_however_many_watch(engine: None, monkeypatch: Any) -> None:
    batch, other = submitted(modes("ok")), submitted(modes("ok"))
    sockets = [Socket(batch.pk, other.pk) for _ in range(300)] + [Socket(batch.pk) for _ in range(300)]
    found = hubs.read([batch.pk, other.pk], 0, set())
    asked: list[list[str]] = []

    def read(ids: list[str], after: int, admissions: set[Admission]) -> hubs.Reading:
        asked.append(sorted(ids))
        assert len(admissions) == 1  # one key opened them all, so one is checked
        return found

    monkeypatch.setattr(hubs, "read", read)
    monkeypatch.setattr(hubs, "newest_transition", lambda: 0)

    async def work(hub: Hub) -> None:
        watch(hub, *sockets)
        await hub.look()

    in_loop(work)
    assert asked == [sorted([batch.pk, other.pk])]
    assert {len(socket.sent) for socket in sockets} == {1, 2}


def test_it_reads_all_watched_batches_at_the_price_of_one(engine: None, django_assert_max_num_queries: Any) -> None:
    ids = [submitted(modes("ok")).pk for _ in range(6)]
    with django_assert_max_num_queries(10) as one:
        hubs.read(ids[:1], 0, {Admission(1, "")})
    with django_assert_max_num_queries(len(one)):
        assert len(hubs.read(ids, 0, {Admission(n, "") for n in range(50)}).progress) == 6
