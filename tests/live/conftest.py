"""A real web process on the tests' database, and real sockets to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import ROOT
from tests.helpers.waiting import PATIENCE, wait_for_answer
from tests.servers.ports import free_port


@dataclass
class Web:
    port: int
    pid: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket(self, path: str, **more: Any) -> ClientConnection:
        patient: dict[str, Any] = {"open_timeout": PATIENCE, "close_timeout": PATIENCE, "ping_interval": None}
        return connect(f"ws://127.0.0.1:{self.port}{path}", **patient | more)

    def refusal(self, path: str, **more: Any) -> int:
        """The HTTP status a socket is refused with; 101 when it is not."""
        try:
            self.socket(path, **more).close()
        except InvalidStatus as refused:
            return refused.response.status_code
        return 101


def database_url() -> str:
    from django.db import connection

    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://postgres@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


@pytest.fixture(scope="session")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    """Without a channel layer, as the portal comes."""
    yield from serving({})


def serving(more: dict[str, str]) -> Iterator[Web]:
    port = free_port()
    environment = {**os.environ, "DATABASE_URL": database_url(), "PORT": str(port), "PYTHONPATH": str(ROOT), **more}
    process = subprocess.Popen([sys.executable, "-m", "batchportal.web"], cwd=ROOT, env=environment)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/readyz", process)
        yield Web(port, process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def frames(socket: ClientConnection) -> Iterator[dict[str, Any]]:
    """Everything that is said until the server closes."""
    try:
        while True:
            yield json.loads(socket.recv(timeout=PATIENCE))
    except ConnectionClosed:
        return


def close_code(socket: ClientConnection) -> int | None:
    for _ in frames(socket):
        pass
    return socket.close_code
