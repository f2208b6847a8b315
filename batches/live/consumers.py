"""The socket door: admits, hands over to the hub, and sends no faster than the client reads."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as AnyDatabaseError
from django.db import connection

from batches.live.admission import PROTOCOL, Admission, Refused, admit
from batches.live.hub import hub

LARGEST_FRAME = 4096
"""Bytes of a frame from a client; a larger one closes its socket with the code `TOO_LARGE`."""
TOO_LARGE = 1009
LARGEST_BACKLOG = 64 * 1024
"""Bytes sent to a client that it has not taken yet; with more it is slow, and is sent nothing."""
MOST_EVENTS = 32
"""Events kept for a slow client; the oldest are dropped."""
BACKLOG = "batchportal.backlog"
"""The server's extension that tells the backlog."""
RESPONSE = "websocket.http.response"

admission_threads = ThreadPoolExecutor(2, thread_name_prefix="admission")


class ProgressConsumer(AsyncWebsocketConsumer):
    """`/ws/batches/{id}/progress`, and `/ws/progress?batch=…&batch=…` for a page of batches."""

    channel_layer_alias = "none"  # the hub listens once for all; a socket has no channel of its own
    admission: Admission
    batch_ids: tuple[str, ...] = ()
    counted = False

    async def connect(self) -> None:
        self.batch_ids = batch_ids_of(self.scope)
        self.latest: dict[str, str] = {}
        self.events: deque[str] = deque(maxlen=MOST_EVENTS)
        self.closing: int | None = None
        self.backlog = self.scope.get("extensions", {}).get(BACKLOG, lambda: 0)
        try:
            loop = asyncio.get_running_loop()
            self.admission = await loop.run_in_executor(
                admission_threads, admit_in_thread, dict(self.scope), self.batch_ids
            )
        except Refused as refused:
            await self.refuse(refused)
            return
        if full := hub().sockets.reserve(self.admission.user_id):
            await self.refuse(Refused(429, full))
            return
        self.counted = True
        await self.accept(PROTOCOL if PROTOCOL in self.scope["subprotocols"] else None)
        hub().join(self)

    async def refuse(self, refused: Refused) -> None:
        """At the handshake, before accept, with its HTTP status where the server can send one."""
        self.batch_ids = ()
        if RESPONSE not in self.scope.get("extensions", {}):
            await self.close()
            return
        await self.base_send({"type": f"{RESPONSE}.start", "status": refused.status, "headers": []})
        await self.base_send({"type": f"{RESPONSE}.body", "body": str(refused).encode()})
        raise StopConsumer

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What a client says is ignored, unless it is long."""
        if len(bytes_data or (text_data or "").encode()) > LARGEST_FRAME:
            await self.close(TOO_LARGE)

    async def disconnect(self, code: int) -> None:
        if self.batch_ids:
            hub().leave(self)
        if self.counted:
            self.counted = False
            hub().sockets.release(self.admission.user_id)

    # -- what the hub calls

    async def show(self, batch_id: str, frame: str) -> None:
        """A batch's state: sent now, or kept until the client has read on; a newer one takes its place."""
        if self.is_slow():
            hub().dropped_frames += batch_id in self.latest
            self.latest[batch_id] = frame
        else:
            await self.send(frame)

    async def tell(self, frame: str) -> None:
        if self.is_slow():
            hub().dropped_frames += len(self.events) == MOST_EVENTS
            self.events.append(frame)
        else:
            await self.send(frame)

    async def finish(self, code: int) -> None:
        if self.is_slow() and code == 1000:
            self.closing = code
        else:
            await self.close(code)

    def is_slow(self) -> bool:
        """Its buffer is full, or there is something it should get before anything newer."""
        if not self.latest and not self.events and self.backlog() <= LARGEST_BACKLOG:
            return False
        hub().behind.add(self)
        return True

    async def catch_up(self) -> bool:
        """Send what was kept back if the client has read on; True when nothing is kept any more."""
        if self.backlog() > LARGEST_BACKLOG:
            return False
        for frame in (*self.events, *self.latest.values()):
            await self.send(frame)
        self.events.clear()
        self.latest.clear()
        if self.closing is not None:
            await self.close(self.closing)
        return True


def batch_ids_of(scope: dict[str, Any]) -> tuple[str, ...]:
    """The batches a socket's address names."""
    in_path = scope["url_route"]["kwargs"].get("batch_id")
    in_query = parse_qs(scope["query_string"].decode("ascii", "replace")).get("batch", [])
    return (in_path,) if in_path else tuple(dict.fromkeys(in_query))


def admit_in_thread(scope: dict[str, Any], batch_ids: tuple[str, ...]) -> Admission:
    """The admission, asked for in a thread with a lasting connection; one that failed is not used again."""
    try:
        return admit(scope, batch_ids)
    except AnyDatabaseError:
        connection.close()
        raise Refused(503, "The database does not answer; try again.") from None
