"""A thousand sockets on one batch: how old is what they are shown, and what does that cost the runner?

Real PostgreSQL, Valkey and web process; the clients are two processes of their own. An update's age is counted from
just before its commit to its receipt ("commit"), and from its encoding to its receipt ("sent"), on one clock. The floor
is a bare `websockets` server that broadcasts frames of the same size to the same clients.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.socket_peers import APART, keep_to

SOCKETS, PROCESSES = 1_000, 2
SECONDS = 20.0
ITEMS, RATE, ROUNDS = 4_000, 400, 3


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order
    from tests.servers.valkey import Valkey

    end_in_order()
    server, valkey = PostgreSQL().start(), Valkey().start()
    try:
        with tempfile.TemporaryDirectory() as var:
            chosen = {"PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
            chosen |= {
                "DATABASE_URL": server.create("bench"),
                "REDIS_URL": valkey.url,
                "CELERY_BROKER_URL": "memory://",
            }
            chosen |= {"PORTAL_SOCKETS": str(2 * SOCKETS), "PORTAL_SOCKETS_PER_USER": str(2 * SOCKETS)}
            os.environ.update(chosen)
            assert server.process is not None
            measure(server.process.pid)
    finally:
        valkey.kill()
        server.stop()


def measure(postmaster: int) -> None:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from batches import operations

    call_command("migrate", verbosity=0)
    request = operations.TokenRequest(User.objects.create_superuser("bench", "", "bench"), "bench", scope="admin")
    token = operations.create_token(request, actor="bench").key
    with web() as (port, pid):
        for often in (1, 4):
            ages = [age for seen in updates(port, token, often) for age in seen]
            print(f"{SOCKETS:,} sockets, {often} updates a second, {len(ages):,} frames")
            print(f"  from the commit:   {words([commit for commit, _ in ages])}")
            print(f"  from the encoding: {words([sent for _, sent in ages])}")
            print(f"  bare server:       {words(list(floor(often)))}")
        print(f"web process: {resident(pid):.0f} MB with {SOCKETS:,} sockets behind it")
        for rate in (RATE, None):
            if rate is None:
                apart(postmaster, pid)
            alone, watched = [], []
            for number in range(ROUNDS):
                alone.append(drain(f"alone-{rate}-{number}", rate))
                name = f"watched-{rate}-{number}"
                submit(name, rate)
                with clients(port, token, name, 3_600):
                    watched.append(drain(name, rate))
            cost = statistics.median(1 - theirs / its for its, theirs in zip(alone, watched, strict=True))
            pace = f"{rate} items/s asked for" if rate else "as fast as it goes, on a core without sockets"
            print(
                f"runner, {pace}: {statistics.median(alone):,.0f} items/s alone, "
                f"{statistics.median(watched):,.0f} with {SOCKETS:,} watchers: {100 * cost:+.1f} % slower"
            )


def words(ages: Sequence[float]) -> str:
    cuts = statistics.quantiles(ages, n=20)
    return f"p50 {1000 * cuts[9]:.0f} ms, p95 {1000 * cuts[18]:.0f} ms, max {1000 * max(ages):.0f} ms"


def resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


# -- what is measured --------------------------------------------------------------------------------------------------


def updates(port: int, token: str, rate: int) -> Iterator[list[tuple[float, float]]]:
    """The ages of all updates, by client process: (since the commit, since the encoding), seconds."""
    from batches.lifecycle import hints
    from batches.models import Batch, Checkpoint

    name = f"updates-{rate}"
    submit(name, None, items=100_000)
    Batch.objects.filter(pk=name).update(status="RUNNING")
    committed: dict[int, float] = {}
    with clients(port, token, name, SECONDS + 2) as running:
        until = time.time() + SECONDS
        number = 0
        while time.time() < until:
            number += 1
            committed[number] = time.time()
            Checkpoint.objects.update_or_create(batch_id=name, lane=0, defaults={"succeeded": number})
            hints.hint(name)
            time.sleep(1 / rate)
        for client in running:
            out, _ = client.communicate(timeout=60)
            seen = json.loads(out)
            yield [(at - committed[done], at - seq / 1000) for done, seq, at in seen if done in committed]


def floor(rate: int) -> Iterator[float]:
    """The ages of frames of a server that does nothing else, since their encoding, seconds."""
    from tests.servers.ports import free_port

    port = free_port()
    command = [sys.executable, "-m", "tests.bench.socket_peers", "server", str(port), str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        with clients(port, "none", "floor", SECONDS / 2) as running:
            for client in running:
                out, _ = client.communicate(timeout=60)
                yield from (at - seq / 1000 for _, seq, at in json.loads(out))
    finally:
        process.kill()
        process.wait()


def drain(name: str, rate: int | None) -> float:
    """Items a second of a runner in a process of its own."""
    submit(name, rate)
    command = [sys.executable, "-m", "tests.bench.sockets", "runner", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def submit(name: str, rate: int | None, items: int = ITEMS) -> None:
    from batches import operations
    from batches.models import Batch
    from batches.processors import processor

    if not Batch.objects.filter(pk=name).exists():
        processor("bench.noop")(nothing)
        operations.submit(processor="bench.noop", items=({"n": n} for n in range(items)), batch_id=name, rate=rate)


def nothing(payload: dict[str, Any], context: Any) -> None:
    return None


def apart(postmaster: int, web_process: int) -> None:
    """As on two machines: the runner and its database on one core, the web process and its clients on another.

    On one core they would share the time, and a runner that goes as fast as it can would be seen to lose its half.
    """
    os.environ[APART] = "yes"
    first, *rest = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(postmaster, {first})  # what it starts from now on stays there too
    for thread in Path(f"/proc/{web_process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), rest or {first})


# -- the processes -----------------------------------------------------------------------------------------------------


@contextmanager
def web() -> Iterator[tuple[int, int]]:
    from tests.helpers.waiting import wait_for_answer
    from tests.servers.ports import free_port

    port = free_port()
    command = [sys.executable, "-m", "batchportal.web"]
    process = subprocess.Popen(
        command, env={**os.environ, "PORT": str(port), "PORTAL_WEB": "1"}, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/readyz", process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def clients(port: int, token: str, batch_id: str, seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    """All sockets, open and with their snapshot."""
    address = f"ws://127.0.0.1:{port}/ws/batches/{batch_id}/progress"
    command = [sys.executable, "-m", "tests.bench.socket_peers", "client", address, token, str(SOCKETS // PROCESSES)]
    running = [
        subprocess.Popen([*command, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for client in running:
            assert client.stderr is not None
            while "open" not in (line := client.stderr.readline()):
                if not line:
                    raise RuntimeError("A client ended before its sockets were open.")
        yield running
    finally:
        for client in running:
            client.kill()
            client.wait()


def runner(name: str) -> None:
    import django

    django.setup()
    from batches import operations
    from batches.engine import runner as engine
    from batches.processors import processor

    processor("bench.noop")(nothing)
    operations.start(name)
    began = time.perf_counter()
    engine.work_slice(name, seconds=3_600)
    print(ITEMS / (time.perf_counter() - began))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["runner", name]:
            keep_to(slice(1))
            runner(name)
        case _:
            main()
