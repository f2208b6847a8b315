"""A web process on the test's database, and sockets to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from batches.models import Batch
from tests.helpers.people import key_of, person
from tests.helpers.places import ROOT
from tests.helpers.processes import database_url
from tests.helpers.waiting import PATIENCE, wait_for_answer
from tests.servers.ports import free_port


@dataclass
class Web:
    """A web process that answers on a port of this machine."""

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
            with self.socket(path, **more):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


def serving(more: dict[str, str]) -> Iterator[Web]:
    """A web process with these settings besides, ended afterwards."""
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
    """With which the server closes."""
    for _ in frames(socket):
        pass
    return socket.close_code


def by_token(role: str = "viewer") -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Token {key_of(role)}"}}


def by_cookie(role: str, origin: str | None) -> dict[str, Any]:
    browser = Client()
    browser.force_login(person(role))
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    return {"origin": origin, "additional_headers": {"Cookie": cookie}}


def path_of(batch: Batch) -> str:
    return f"/ws/batches/{batch.pk}/progress"
