"""One run of one peer: its database, its work, its worker, and what that took.

Everybody is measured alike, from outside: the bench asks how many items are finished, from when the first one is until
the last one is, and looks up what the processes took in between. Storing the work and starting the worker come before.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import redis

from tests.bench.peers.processor_time import seconds_of
from tests.bench.peers.registry import PORTAL, Peer
from tests.helpers.places import ROOT
from tests.servers.postgresql import PostgreSQL
from tests.servers.starter import dies_with_starter
from tests.servers.valkey import Valkey

STALLED_SECONDS, END_SECONDS = 120, 30
ASK_EVERY, ASKING = 0.02, 0.05
"""Seconds between two questions at least, and which part of the time the questions may take."""


class DidNotWork(Exception):
    """A peer that came to nothing here."""


@dataclass(frozen=True)
class Run:
    speed: float
    """Items a second."""
    client: float
    """CPU time of the worker's processes, in microseconds an item."""
    server: float
    """The same of PostgreSQL's and Valkey's."""

    @property
    def cpu(self) -> float:
        return self.client + self.server


class Bench:
    """The servers, for as long as all the runs take; each run has a database of its own."""

    def __init__(self, server: PostgreSQL, valkey: Valkey, var: str) -> None:
        self.server, self.valkey, self.var = server, valkey, var
        self.prepared: set[str] = set()

    def run(self, peer: Peer, python: str, items: int) -> Run:
        """Raises `DidNotWork`."""
        environment = {**os.environ, "PEER_BROKER": self.valkey.url, "PEER_ITEMS": str(items), "PORTAL_VAR": self.var}

        def command(*words: str) -> dict[str, Any]:
            args = [python, "-m", "tests.bench.peers.side", peer.module, *words]
            return {"args": args, "cwd": ROOT, "env": environment}

        def done(*words: str) -> None:
            ended = subprocess.run(**command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if ended.returncode:
                raise DidNotWork(f"{peer.name} {' '.join(words)}: {ended.stderr[-2_000:]}")

        empty, name = f"{peer.module}_empty", f"{peer.module}_run"
        if empty not in self.prepared:
            environment["PEER_DATABASE"] = self.server.create(empty)
            done("prepare", peer.mode)
            self.prepared.add(empty)
        redis.Redis.from_url(self.valkey.url).flushall()
        self.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE "{empty}"')
        environment["PEER_DATABASE"] = self.server.url(name)
        done("enqueue", peer.mode)
        self.ask("CHECKPOINT")
        with self.counting(peer.done, name) as (count, asking), worker(command("work", peer.mode)) as process:
            measured = self.measured(count, asking, process, items)
            if peer is PORTAL:
                done("verify")
        return measured

    def ask(self, *statements: str) -> None:
        connection = psycopg2.connect(self.server.url())
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    @contextmanager
    def counting(self, question: str, database: str) -> Iterator[tuple[Callable[[], int], int]]:
        """How many items are finished, and the server process that is asked."""
        if question.startswith("HLEN "):
            broker = redis.Redis.from_url(self.valkey.url)
            yield (lambda: int(broker.hlen(question.split()[1]))), 0  # type: ignore[arg-type]
            return
        connection = psycopg2.connect(self.server.url(database))
        connection.autocommit = True
        cursor = connection.cursor()

        def count() -> int:
            try:
                cursor.execute(question)
            except psycopg2.Error as error:
                raise DidNotWork(str(error))
            return int(cursor.fetchone()[0])  # type: ignore[index]

        try:
            yield count, connection.info.backend_pid
        finally:
            connection.close()

    def measured(self, count: Callable[[], int], asking: int, process: subprocess.Popen[bytes], items: int) -> Run:
        def taken() -> tuple[float, float, float]:
            server = seconds_of(self.server.process.pid, without=asking)  # type: ignore[union-attr]
            broker = seconds_of(self.valkey.process.pid)  # type: ignore[union-attr]
            return time.perf_counter(), seconds_of(process.pid), server + broker

        first, seen, moved = 0, 0, time.monotonic()
        began, *spent = taken()
        while True:
            asked = time.perf_counter()
            now = count()
            if now >= items:
                break
            if now and not first:
                first, (began, *spent) = now, taken()
            if now > seen:
                seen, moved = now, time.monotonic()
            if process.poll() is not None:
                raise DidNotWork(f"its worker ended with {process.returncode}")
            if time.monotonic() - moved > STALLED_SECONDS:
                raise DidNotWork(f"{seen:,} of {items:,} items finished, and no other within {STALLED_SECONDS} s")
            time.sleep(max(ASK_EVERY, (time.perf_counter() - asked) / ASKING))
        ended, client, server = taken()
        if not first:
            raise DidNotWork("it had finished before it could be measured: more --items are needed")
        each = 1e6 / (items - first)
        return Run((items - first) / (ended - began), (client - spent[0]) * each, (server - spent[1]) * each)


@contextmanager
def worker(command: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as output:
        command |= {"start_new_session": True, "preexec_fn": dies_with_starter(signal.SIGTERM)}
        process = subprocess.Popen(**command, stdout=output, stderr=output)
        try:
            yield process
        except DidNotWork as error:
            output.seek(0)
            raise DidNotWork(f"{error}\n{output.read().decode(errors='replace')[-2_000:]}") from None
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            with suppress(ProcessLookupError):  # those that it has left behind, else none
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
