"""Daphne's sockets with three things it lacks: a bound on what comes in, word of what has not gone out yet, and HTTP
statuses for refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from daphne import ws_protocol
from daphne.server import Server

RESPONSE = "websocket.http.response"
LARGEST_FRAME = 4096
SECONDS_TO_CLOSE = 30


def waiting_in(transport: Any) -> int:
    """Bytes that a connection holds for its client."""
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


class Socket(ws_protocol.WebSocketProtocol):
    """One connection."""

    refusal = 403

    def backlog(self) -> int:
        """Bytes that were sent to this client and that it has not taken yet."""
        return waiting_in(self.transport)

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == f"{RESPONSE}.start":
            self.refusal = message["status"]
        elif message["type"] == f"{RESPONSE}.body":
            reason = message.get("body", b"").decode()
            self.handshake_deferred.errback(ConnectionDeny(self.refusal, reason))  # type: ignore[no-untyped-call]
            del self.handshake_deferred
            self.server.protocol_disconnected(self)
        else:
            super().handle_reply(message)


class SocketFactory(ws_protocol.WebSocketFactory):
    protocol = Socket

    def setProtocolOptions(self, **options: Any) -> None:  # noqa: N802 - autobahn's name
        largest = {"maxMessagePayloadSize": LARGEST_FRAME, "maxFramePayloadSize": LARGEST_FRAME}
        closing = {"failByDrop": False, "closeHandshakeTimeout": SECONDS_TO_CLOSE}
        super().setProtocolOptions(**(options | largest | closing))


class BodyOnDisk(asyncio.Queue[Any]):
    """What daphne queues for the application: the pieces of a body stay in the file that they were received into, and
    are read when they are asked for. Otherwise a request waited with its whole body in memory."""

    file: Any
    queued = 0

    def _put(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.request":
            size = len(message["body"])
            message = {**message, "body": (self.queued, size)}
            self.queued += size
        self._queue.append(message)  # type: ignore[attr-defined]

    def _get(self) -> dict[str, Any]:
        message: dict[str, Any] = self._queue.popleft()  # type: ignore[attr-defined]
        if message["type"] == "http.request":
            if self.file.closed:
                return {"type": "http.disconnect"}
            place, size = message["body"]
            self.file.seek(place)
            message["body"] = self.file.read(size)
        return message


class SocketServer(Server):
    """Tells the application what its connections can do."""

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        scope["extensions"] = {"batchportal.backlog": protocol.backlog}
        if scope["type"] == "websocket":
            scope["extensions"][RESPONSE] = {}
        else:
            scope["extensions"]["batchportal.hang_up"] = protocol.hang_up
            scope["extensions"]["batchportal.has_left"] = protocol.has_left
        queue = super().create_application(protocol, scope)
        if queue is not None and scope["type"] == "http":
            queue.__class__, queue.file = BodyOnDisk, protocol.content
        return queue


async def not_found(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Refuse a socket whose address names nothing."""
    await receive()
    if RESPONSE in scope.get("extensions", {}):
        await send({"type": f"{RESPONSE}.start", "status": 404, "headers": []})
        await send({"type": f"{RESPONSE}.body", "body": b"There is no such socket."})
    else:
        await send({"type": "websocket.close"})
