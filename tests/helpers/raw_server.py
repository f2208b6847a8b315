"""A server on this machine that answers byte by byte, as no web server would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def raw_server(pieces: Callable[[], Iterable[bytes]], pause: float = 0.0) -> Iterator[str]:
    """Answers each request with the pieces, `pause` seconds apart; its `host:port`."""
    is_over = threading.Event()

    def answer(caller: socket.socket) -> None:
        with caller:
            try:
                caller.recv(65_536)
                for piece in pieces():
                    caller.sendall(piece)
                    if is_over.wait(pause):
                        return
            except OSError:
                pass  # the caller has hung up

    def serve() -> None:
        while not is_over.is_set():
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(caller,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)
