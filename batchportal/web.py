"""Keeps the web processes running: `python -m batchportal.web`. They share one listening socket, and end together.

A busy one takes no connection: the socket is handed to whichever is free.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType

from batchportal.web_processes import LIFELINE, web_processes

BACKLOG = 1024
"""Connections that wait until a process takes them."""
GRACE_SECONDS = 20.0
"""For which a process that is told to end may finish what it is at."""
STARTED_SECONDS = 20.0
"""A process that fails earlier cannot start, and would not start the next time."""


class Keeper:
    """Starts a web process again that died, until it is told to stop or one cannot start at all."""

    def __init__(self, processes: int, listening: socket.socket) -> None:
        self.listening = listening
        self.lifeline, self.our_end = os.pipe()
        self.stopping = threading.Event()
        self.code = 0
        self.children: set[subprocess.Popen[bytes]] = set()
        self.threads = [threading.Thread(target=self.keep) for _ in range(processes)]

    def run(self) -> int:
        """The exit code: 0, or that of a process which could not start."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for thread in self.threads:
            thread.start()
        self.stopping.wait()
        deadline = time.monotonic() + GRACE_SECONDS
        while any(thread.is_alive() for thread in self.threads):
            for child in list(self.children):
                child.kill() if time.monotonic() > deadline else child.terminate()
            for thread in self.threads:
                thread.join(0.5)
        return self.code

    def stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping.set()

    def keep(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            code = self.serve()
            if self.stopping.is_set():
                return
            if code > 0 and time.monotonic() - began < STARTED_SECONDS:
                self.code = code
                self.stopping.set()
                return
            print(f"A web process ended with {code}; starting it again.", flush=True)  # noqa: T201
            self.stopping.wait(0.2)

    def serve(self) -> int:
        """One process, from its start to its end; its exit code."""
        descriptor = self.listening.fileno()
        child = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "batchportal.server", str(descriptor)],
            pass_fds=(descriptor, self.lifeline),
            env={**os.environ, LIFELINE: str(self.lifeline)},
            start_new_session=True,
        )
        self.children.add(child)
        try:
            return child.wait()
        finally:
            self.children.discard(child)


def listen(host: str, port: int) -> socket.socket:
    """The one socket of all web processes."""
    family, _, _, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def main() -> int:
    """Serve at $HOST:$PORT: with one process this is it, else their keeper."""
    processes = web_processes()
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000")
    if processes == 1:
        from batchportal.server import main as serve

        serve()
    try:
        listening = listen(host, int(port))
    except OSError as error:
        print(f"Cannot listen at {host}:{port}: {error.strerror}.", file=sys.stderr)  # noqa: T201
        return 1
    return Keeper(processes, listening).run()


if __name__ == "__main__":
    sys.exit(main())
