"""Connections that ask for nothing are bounded in number and in time: whoever opens thousands holds nobody else up."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from time import monotonic
from typing import Any

from daphne import http_protocol, server
from twisted.web import http

MOST_IDLE = 512
"""Connections of a process without a whole request: of more, the oldest of the address that has most is ended."""
HEADER_SECONDS = 10.0
"""From a connection to the end of its first request's headers."""
IDLE_SECONDS = 60.0
"""From an answer to the end of the next request's headers, on the same connection."""
LOOK_SECONDS = 1.0

Channel: Any = http.HTTPChannel
ChannelProtocol: Any = http._GenericHTTPChannelProtocol
OPEN_FILES = 65_536
"""As many as the system lets a process have, at most these: each connection is one."""


class IdleClients:
    """The connections of this process that wait for a request, by their addresses, the oldest first."""

    def __init__(self) -> None:
        self.until: defaultdict[str, OrderedDict[Any, float]] = defaultdict(OrderedDict)
        self.number = 0

    def add(self, channel: Any, seconds: float) -> None:
        """It has so long for the headers of a request."""
        address = address_of(channel)
        self.discard(channel)
        self.until[address][channel] = monotonic() + seconds
        self.number += 1
        if self.number > MOST_IDLE:
            fullest = max(self.until, key=lambda place: len(self.until[place]))
            self.end(next(iter(self.until[fullest])))

    def discard(self, channel: Any) -> None:
        """It has made its request, or is gone."""
        address = address_of(channel)
        if self.until.get(address, {}).pop(channel, None) is not None:
            self.number -= 1
            if not self.until[address]:
                del self.until[address]

    def end(self, channel: Any) -> None:
        self.discard(channel)
        channel.transport.abortConnection()

    def end_overdue(self) -> None:
        """Called every second."""
        now = monotonic()
        for channel in [channel for those in self.until.values() for channel, until in those.items() if until < now]:
            self.end(channel)
        server.reactor.callLater(LOOK_SECONDS, self.end_overdue)


def address_of(channel: Any) -> str:
    """The client's; a socket of the file system has none."""
    return getattr(channel.getPeer(), "host", "")


class BoundedChannel(Channel):
    """One HTTP connection, idle from its beginning until a request's headers are there, and again from its answer."""

    idle = IdleClients()

    def connectionMade(self) -> None:  # noqa: N802 - twisted's name
        super().connectionMade()
        self.idle.add(self, HEADER_SECONDS)

    def allHeadersReceived(self) -> None:  # noqa: N802 - twisted's name
        self.idle.discard(self)
        super().allHeadersReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802 - twisted's name
        super().requestDone(request)
        if self.persistent and not self.requests:
            self.idle.add(self, IDLE_SECONDS)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - twisted's name
        self.idle.discard(self)
        super().connectionLost(reason)


class BoundedFactory(http_protocol.HTTPFactory):
    """Daphne's, of such connections."""

    def protocol(self) -> Any:
        return ChannelProtocol(BoundedChannel())


def raise_open_files() -> None:
    """A process may have 1,024 files open unless it asks for more."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
