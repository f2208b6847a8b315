"""A web server on this machine that answers what the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.helpers.waiting import PATIENCE

LOOK_FOR_END_EVERY = 0.02  # seconds
Answer = tuple[int, dict[str, str], bytes]


class Server(ThreadingHTTPServer):
    """Remembers what it was asked, and answers what the test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = lambda request: (200, {}, b'{"ok": true}')
        self.address = f"127.0.0.1:{self.server_port}"
        self.is_over = threading.Event()

    def never(self, request: dict[str, Any]) -> Answer:
        """An answer that does not come while anybody waits for it."""
        self.is_over.wait(PATIENCE)
        return 200, {}, b"{}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        self.server.seen.append(request)
        status, headers, text = self.server.answer(request)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(text))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def served() -> Iterator[Server]:
    """A server that answers until the end."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(LOOK_FOR_END_EVERY,), daemon=True).start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
