"""Several web processes behind one port: one that dies is started again, all end together, idle clients are bounded."""

from __future__ import annotations

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol

from batchportal import idle_clients
from batchportal.idle_clients import IdleClients
from batchportal.server import adopted
from batchportal.sockets import BodyOnDisk
from batchportal.web import listen
from batchportal.web_processes import NoNumber, web_processes
from tests.helpers.migrated import migrate
from tests.helpers.places import ROOT
from tests.helpers.waiting import PATIENCE, wait_for_answer
from tests.servers.ports import free_port

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("environment", "number"), [({}, 2), ({"DEBUG": "1"}, 1), ({"PORTAL_WEB": "3", "DEBUG": "1"}, 3)], ids=str
)
def test_it_serves_by_so_many(environment: dict[str, str], number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORTAL_WEB", "DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert web_processes() == number


@pytest.mark.parametrize("number", ["0", "65", "two"])
def test_it_refuses_a_number_of_processes_that_cannot_be(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_WEB", number)
    with pytest.raises((NoNumber, ValueError)):
        web_processes()


class Channel:
    """A connection as far as its idleness goes."""

    def __init__(self, host: str) -> None:
        self.host, self.transport, self.is_cut = host, self, False

    def getPeer(self) -> Channel:
        return self

    def abortConnection(self) -> None:
        self.is_cut = True


def test_it_ends_the_oldest_connection_of_who_has_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_clients, "MOST_IDLE", 4)
    clients, other = IdleClients(), Channel("10.0.0.2")
    crowd = [Channel("10.0.0.1") for _ in range(5)]
    for channel in (other, *crowd):
        clients.add(channel, 60)
    assert [channel.is_cut for channel in (other, *crowd)] == [False, True, True, False, False, False]
    clients.discard(crowd[-1])
    clients.add(Channel("10.0.0.3"), 60)
    assert clients.number == 4
    assert not crowd[2].is_cut


def test_it_ends_who_does_not_ask_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_clients.server.reactor, "callLater", lambda seconds, act: None)
    clients, late, early = IdleClients(), Channel("10.0.0.1"), Channel("10.0.0.1")
    clients.add(late, -1)
    clients.add(early, 60)
    clients.end_overdue()
    assert (late.is_cut, early.is_cut, clients.number) == (True, False, 1)


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return sorted(int(line) for line in listed.stdout.split())


def wait_until_gone(pids: list[int]) -> None:
    until = monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert monotonic() < until
        sleep(0.05)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    port = free_port()
    environment = {**kept, "PORTAL_VAR": str(tmp_path), "LOG_LEVEL": "ERROR", "PORT": str(port), "PORTAL_WEB": "2"}
    migrate(tmp_path, environment)
    web = subprocess.Popen([sys.executable, "-m", "batchportal.web"], cwd=ROOT, env=environment)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/readyz", web)
        yield web, port
    finally:
        web.kill()
        web.wait(PATIENCE)


@pytest.mark.full
def test_it_replaces_a_process_that_dies_and_all_end_with_their_keeper(
    keeper: tuple[subprocess.Popen[bytes], int],
) -> None:
    web, port = keeper
    dead, other = children_of(web.pid)
    os.kill(dead, signal.SIGKILL)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
    until = monotonic() + PATIENCE
    while len(children := children_of(web.pid)) < 2 or dead in children:
        assert monotonic() < until
        sleep(0.05)
    assert other in children
    web.kill()
    wait_until_gone(children)


@pytest.mark.full
def test_it_ends_when_it_is_told_to(keeper: tuple[subprocess.Popen[bytes], int]) -> None:
    web, _ = keeper
    children = children_of(web.pid)
    web.terminate()
    assert web.wait(PATIENCE) == 0
    wait_until_gone(children)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]"])
def test_processes_share_a_socket_of_either_family(host: str) -> None:
    with closing(listen(host, 0)) as listening:
        ports: list[Any] = []
        endpoint = adopted(idle_clients.server.reactor, os.dup(listening.fileno()))
        endpoint.listen(Factory.forProtocol(Protocol)).addCallback(ports.append)
        (port,) = ports
        address = port.getHost()
        port.stopListening()
        assert (address.host, address.port) == listening.getsockname()[:2]


def test_it_says_that_the_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {**os.environ, "PORT": str(taken.getsockname()[1]), "PORTAL_WEB": "2"}
        web = subprocess.run([sys.executable, "-m", "batchportal.web"], cwd=ROOT, env=environment, capture_output=True)
    assert (web.returncode, web.stderr.decode().startswith("Cannot listen at 127.0.0.1:")) == (1, True)


def test_it_keeps_a_body_on_disk_until_it_is_asked_for() -> None:
    content = io.BytesIO(b"abcdef")
    queue: Any = BodyOnDisk()
    queue.file = content
    pieces = [
        {"type": "http.request", "body": body, "more_body": more} for body, more in ((b"abcd", True), (b"ef", False))
    ]
    for piece in pieces:
        queue.put_nowait(piece)
    assert b"abcd" not in [message["body"] for message in queue._queue]
    assert [queue.get_nowait() for _ in pieces] == pieces
    queue.put_nowait(pieces[0])
    content.close()
    assert queue.get_nowait() == {"type": "http.disconnect"}
