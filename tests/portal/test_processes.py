"""The portal's own processes: set-up, and the web server's limit."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.migrated import migrate
from tests.helpers.places import ROOT
from tests.helpers.waiting import PATIENCE, wait_for_answer
from tests.servers.ports import free_port


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return environment_of(tmp_path)


def environment_of(var: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    return {**kept, "PORTAL_VAR": str(var), "LOG_LEVEL": "ERROR", "PORTAL_MAX_UPLOAD_MB": "1"}


def manage(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe)


@pytest.mark.full
def test_it_sets_up_once_when_two_set_ups_run_at_once(environment: dict[str, str]) -> None:
    migrate(Path(environment["PORTAL_VAR"]), environment)
    both = [manage(environment, "portal_setup", "--sample") for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    words = "".join(out for out, _ in said)
    assert words.count("It is shown this once.") == 1
    assert words.count("airports are being checked") == 1
    listed, _ = manage(environment, "batch", "list", "--json").communicate()
    assert json.dumps(json.loads(listed)).count('"airports-sample"') == 1


@pytest.mark.full
def test_it_says_nothing_new_the_second_time(environment: dict[str, str]) -> None:
    migrate(Path(environment["PORTAL_VAR"]), environment)
    manage(environment, "portal_setup", "--sample").communicate()
    again = manage(environment, "portal_setup", "--sample")
    words, trouble = again.communicate()
    assert (again.returncode, words.strip(), trouble) == (0, "", "")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a web process that all of these tests ask: none of them changes anything in it."""
    environment = environment_of(tmp_path_factory.mktemp("web"))
    migrate(Path(environment["PORTAL_VAR"]), environment)
    number = free_port()
    command = [sys.executable, "-m", "batchportal.web"]
    web = subprocess.Popen(command, cwd=ROOT, env={**environment, "PORT": str(number)})
    try:
        wait_for_answer(f"http://127.0.0.1:{number}/readyz", web)
        yield number
    finally:
        web.terminate()
        web.wait(PATIENCE)


@pytest.mark.parametrize("announced", [True, False])
def test_it_refuses_a_body_over_the_limit_whoever_sends_it(port: int, announced: bool) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.putrequest("POST", "/api/batches")
        connection.putheader("Content-Type", "application/json")
        if announced:
            connection.putheader("Content-Length", str(50 * 1024 * 1024))
            connection.endheaders()
        else:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            try:
                for _ in range(60):
                    connection.send(block)
            except OSError:
                pass  # it has hung up, as it should
        answer = connection.getresponse()
        assert answer.status == 413
        assert "PORTAL_MAX_UPLOAD_MB" in json.loads(answer.read())["detail"]


def test_it_answers_after_it_has_refused(port: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", "/api/batches", headers={"Content-Length": str(50 * 1024 * 1024)})
        assert connection.getresponse().status == 413
    for _ in range(2):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200


def test_it_does_not_believe_what_a_client_says_of_its_own_address(port: int) -> None:
    for header in ("Daphne-Root-Path", "DAPHNE-ROOT-PATH", "X-Script-Name", "X-Forwarded-Host"):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/", headers={header: "/evil"})
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Location")) == (302, "/admin/batches/batch/")


CUT_OFF = """
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from daphne.cli import CommandLineInterface
from batchportal import server
threads = ThreadPoolExecutor()
CommandLineInterface.run = lambda self, arguments: threads.submit(Event().wait)
server.main([])
"""
"""A server that was stopped while the thread of a request waits for an event loop that runs no more."""


def test_it_ends_whatever_a_request_waits_for_that_was_cut_off(environment: dict[str, str]) -> None:
    ended = subprocess.run([sys.executable, "-c", CUT_OFF], cwd=ROOT, env=environment, timeout=PATIENCE, check=False)
    assert ended.returncode == 0
