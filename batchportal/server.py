"""A web process: daphne on 127.0.0.1:$PORT, refusing bodies that are too large while they arrive.

Stock daphne takes a whole body in before any check is made, whoever sends it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from batchportal import plain_twisted  # noqa: F401

# isort: split
from daphne import http_protocol, server
from daphne.cli import CommandLineInterface
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.plugins import fd_endpoint

from batches.no_room import has_no_room
from batchportal.idle_clients import BoundedChannel, BoundedFactory, raise_open_files
from batchportal.sockets import SocketFactory, SocketServer, waiting_in
from batchportal.web_processes import LIFELINE

ROOM_FOR_FORM = 1024 * 1024
TOO_LARGE = (
    b'{"type": "about:blank", "title": "Content Too Large", "status": 413, '
    b'"detail": "The request is larger than this portal accepts (PORTAL_MAX_UPLOAD_MB)."}'
)
SECONDS_TO_READ_REFUSAL = 10
"""For which the rest of a refused body is dropped before the connection is cut."""
OPTIONS = ("--no-server-name", "-v", "0", "batchportal.asgi:application")

FROM_PROXIES = (b"x-forwarded-for", b"x-forwarded-proto")
"""Believed behind a proxy (`PORTAL_PROXIES`, `PORTAL_BEHIND_TLS`), which sets them itself."""
CLAIMS = (
    *FROM_PROXIES,
    *(b"daphne-root-path", b"forwarded", b"proxy", b"remote-user", b"script-name", b"x-real-ip"),
    *(b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-server", b"x-forwarded-user"),
    *(b"x-original-url", b"x-rewrite-url", b"x-script-name", b"x-http-method-override"),
)
"""Headers by which a client would say where it comes from, who it is, or what it really asks for."""


class LimitedRequest(http_protocol.WebRequest):
    """Answers 413 and hangs up as soon as a body is known to exceed the limit, announced or counted."""

    limit = limit_of_strangers = 0
    claims: tuple[bytes, ...] = CLAIMS
    """The headers that are dropped."""
    received = 0
    is_refused = False

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - twisted's name
        """Take the whole request; Twisted would parse its form, for nobody, in the event loop, and all would wait."""
        if self.is_refused:
            self.channel.loseConnection()
            return
        self._parsePOSTFormSubmission = False
        super().requestReceived(command, path, version)

    def process(self) -> Any:
        """Take the request without what it claims of itself; a WebSocket is handed the same headers."""
        for name in self.claims:
            self.requestHeaders.removeHeader(name)
        return super().process()

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - twisted's name
        self.limit = self.limit if self.shows_who_asks() else min(self.limit, self.limit_of_strangers)
        if length is not None and length > self.limit:
            self.refuse()
        else:
            super().gotLength(length)

    def shows_who_asks(self) -> bool:
        """Whether there is anything that may turn out to be somebody's token or session."""
        return any(self.requestHeaders.hasHeader(name) for name in (b"authorization", b"cookie"))

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - twisted's name
        self.received += len(data)
        if self.received > self.limit or self.is_refused:
            self.refuse()
        else:
            try:
                super().handleContentChunk(data)
            except OSError as error:
                if not has_no_room(error):
                    raise
                from batchportal.full_disk import document

                self.refuse(b"507 Insufficient Storage", document())

    def backlog(self) -> int:
        """Bytes that were sent to this client and that it has not taken yet."""
        return 0 if self.channel is None else waiting_in(self.channel.transport)

    def has_left(self) -> bool:
        """Whether this client hung up before it was answered."""
        return self.channel is None

    def hang_up(self) -> None:
        """End the connection without a proper end of the answer."""
        if self.channel is not None:
            self.channel.transport.abortConnection()

    def refuse(self, status: bytes = b"413 Content Too Large", problem: bytes = TOO_LARGE) -> None:
        """Answer, and take no more of the body than is dropped; a proxy that is still sending would see a connection
        which was cut in place of the answer."""
        if self.is_refused:
            return
        self.is_refused = True
        self.channel.transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (status, len(problem), problem)
        )
        server.reactor.callLater(SECONDS_TO_READ_REFUSAL, self.hang_up)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Serve in this process at $HOST:$PORT, or with other arguments of daphne's."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
    from django.conf import settings

    LimitedRequest.limit = int(settings.PORTAL_MAX_UPLOAD_MB * 1024 * 1024) + ROOM_FOR_FORM
    LimitedRequest.limit_of_strangers = settings.LARGEST_BODY_OF_STRANGERS
    believed = {b"x-forwarded-for": settings.PORTAL_PROXIES > 0, b"x-forwarded-proto": settings.BEHIND_TLS}
    LimitedRequest.claims = tuple(name for name in CLAIMS if not believed.get(name))
    http_protocol.WebRequest = LimitedRequest
    server.HTTPFactory = BoundedFactory
    server.WebSocketFactory = SocketFactory
    CommandLineInterface.server_class = SocketServer
    raise_open_files()
    BoundedChannel.idle.end_overdue()
    place = ["-b", os.environ.get("HOST", "127.0.0.1"), "-p", os.environ.get("PORT", "8000")]
    CommandLineInterface().run(arguments or [*place, *OPTIONS])
    leave()


def leave() -> NoReturn:
    """End this process once the server has stopped, whatever its threads do.

    A request that was cut off waits in its thread for an event loop that runs no more, and the interpreter would wait
    for the thread, for good.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def serve_shared(descriptor: str) -> NoReturn:
    """Serve at the listening socket of a keeper, and end with it."""
    threading.Thread(target=end_with_keeper, args=[int(os.environ[LIFELINE])], daemon=True).start()
    fd_endpoint.parser._parseServer = adopted  # type: ignore[method-assign, assignment]
    main(["--fd", descriptor, *OPTIONS])


def adopted(reactor: Any, fileno: str | int) -> AdoptedStreamServerEndpoint:
    """The endpoint of a listening socket, of the family that it has: daphne takes each for one of IPv4."""
    with socket.socket(fileno=os.dup(int(fileno))) as listening:
        return AdoptedStreamServerEndpoint(reactor, int(fileno), listening.family)  # type: ignore[no-untyped-call]


def end_with_keeper(lifeline: int) -> None:
    """The other end of the pipe is closed when the keeper is gone, and nothing is ever written to it."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve_shared(sys.argv[1])
