"""Connections to the very addresses that were checked, each read and written within its exchange's deadline."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore

from batches.outbound.addresses import is_public
from batches.outbound.deadlines import seconds_left
from batches.outbound.hosts import is_named, refuse_unlisted
from batches.outbound.refusals import OutboundRefused

CONNECT_SECONDS = 5.0
LOOKUPS = 16
"""Names looked up side by side; the operating system takes its time and cannot be interrupted."""
_lookups = threading.BoundedSemaphore(LOOKUPS)


@contextmanager
def translated(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Failures of sockets as httpcore names them."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error) or "The other side took too long.") from error
    except OSError as error:
        raise broken(str(error)) from error


class Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end with the exchange, whatever arrives how slowly."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(seconds_left())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with translated(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(seconds_left())
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            return Stream(self._stream.start_tls(ssl_context, server_hostname, seconds_left()))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore.SyncBackend):
    """Connects to the very addresses it has checked."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        refuse_unlisted(host, port, self.hosts)
        addresses = addresses_of(host, port)
        if not is_named(host, port, self.hosts):
            refuse_private(host, addresses)
        for last, address in enumerate(addresses, start=1):
            try:
                return Stream(super().connect_tcp(address, port, connect_seconds(), local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address.")


def refuse_private(host: str, addresses: Sequence[str]) -> None:
    for address in addresses:
        if not is_public(address):
            raise OutboundRefused(f"{host} leads to {address}, which is not a public address.")


def connect_seconds() -> float:
    with translated(httpcore.ConnectTimeout, httpcore.ConnectError):
        return min(CONNECT_SECONDS, seconds_left())


# -- names -------------------------------------------------------------------------------------------------------------


def addresses_of(host: str, port: int) -> list[str]:
    """What the name resolves to, in the resolver's order; a resolver that takes too long is not waited for."""
    answer: list[Any] = []

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=connect_seconds()):
        raise httpcore.ConnectTimeout(f"{host}: too many names are being looked up.")
    thread = threading.Thread(target=look_up, name="lookup", daemon=True)
    thread.start()
    thread.join(connect_seconds())
    if not answer:
        raise httpcore.ConnectTimeout(f"The name {host} took too long to look up.")
    if isinstance(answer[0], Exception):
        raise httpcore.ConnectError(f"{host} has no address: {answer[0]}") from answer[0]
    return list(dict.fromkeys(str(entry[4][0]) for entry in answer[0]))
