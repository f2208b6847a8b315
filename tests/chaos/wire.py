"""The wire between workers and PostgreSQL, which can be cut at a commit: before it arrives, or after it is done."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue

from batches.engine import sql

COMMIT = b"COMMIT\x00"
COMMITS_BY_ITSELF = f"SELECT * FROM {sql.RECORD_CALLS}(".encode()
SIZE = 64 * 1024


def commits(data: bytes) -> bool:
    """Whether a message to the database ends a transaction, or is one."""
    return data.endswith(COMMIT) or data.startswith(COMMITS_BY_ITSELF, 5)  # after its kind and length


class Wire:
    """Passes everything on; `cut()` orders that the next commit of anybody loses its reply, or never arrives."""

    def __init__(self, port: int) -> None:
        self.upstream, self.orders, self.landed = port, SimpleQueue[str](), 0
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self.listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, when: str) -> None:
        self.orders.put(when)

    def _accept(self) -> None:
        while True:
            client, _ = self.listening.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream), timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            Passage(self, client, server)


class Passage:
    """One connection, two threads."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self.wire, self.client, self.server = wire, client, server
        self.muted, self.answered = False, threading.Event()
        for run in (self._forth, self._back):
            threading.Thread(target=run, daemon=True).start()

    def _forth(self) -> None:
        with suppress(OSError):
            while data := self.client.recv(SIZE):
                if commits(data) and (when := self._order()):
                    if when == "after":
                        self.muted = True
                        self.server.sendall(data)
                        self.answered.wait(5)
                    self.wire.landed += 1
                    break
                self.server.sendall(data)
        self._end()

    def _back(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(SIZE):
                if self.muted:
                    self.answered.set()
                    continue
                self.client.sendall(data)
        self._end()

    def _order(self) -> str:
        try:
            return self.wire.orders.get_nowait()
        except Empty:
            return ""

    def _end(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()
