"""A whole portal to be hurt: a real database, a real broker, real Celery workers kept alive by their keeper."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.wire import Wire
from tests.helpers.places import ROOT
from tests.servers.postgresql import PostgreSQL
from tests.servers.valkey import Valkey

LEASE = 3.0


class Portal:
    """`start()` before Django is set up in this process: it decides the environment for both."""

    def __init__(
        self, database: str, workers: int = 3, small_disk: bool = False, own_wire: bool = False, mutant: str = ""
    ) -> None:
        self.disk = SmallDisk() if small_disk else None
        self.var = tempfile.mkdtemp(prefix="portal-chaos-", dir=self.disk and self.disk.path)
        self.clock = Path(tempfile.mkdtemp(prefix="portal-clock-")) / "wrong-by"
        place = None if self.disk is None else self.disk.path
        self.postgresql = PostgreSQL(place=place) if database == "postgresql" else None
        self.valkey = Valkey() if database == "postgresql" else None
        self.workers, self.mutant = workers, mutant
        self.own_wire = own_wire
        self.wire: Wire | None = None
        self.cut_before = 0
        """Replies lost on the wires of workers that are gone."""
        self.calls = Path(tempfile.mkdtemp(prefix="portal-calls-")) / "log"
        self.seen: set[int] = set()
        self.keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> Portal:
        """Servers, tables, this process's Django; no worker yet."""
        chosen = {"PORTAL_VAR": self.var, "PORTAL_LEASE_SECONDS": str(LEASE), "PORTAL_WORKERS": str(self.workers)}
        chosen |= {"PORTAL_PROCESSORS": "tests.chaos.ledger", "LOG_LEVEL": "ERROR", "PYTHONPATH": str(ROOT)}
        chosen |= {"PORTAL_IMPORT_MODELS": "auth.Group.name", "CHAOS_CALLS": str(self.calls)}
        chosen |= {"DJANGO_SETTINGS_MODULE": "batchportal.settings"}
        os.environ.pop("CHAOS_CLOCK", None)  # this process's own clock stays right
        for name in ("DATABASE_URL", "CELERY_BROKER_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        if self.postgresql is not None and self.valkey is not None:
            self.postgresql.start()
            self.valkey.start()
            chosen |= {"DATABASE_URL": self.postgresql.create("portal"), "CELERY_BROKER_URL": self.valkey.url}
        os.environ.update(chosen)
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from tests.chaos import mutants
        from tests.chaos.ledger import CREATE, WATCH_GROUPS

        if self.postgresql is not None:  # this process is no worker: it may think for long within a transaction
            connection.settings_dict["OPTIONS"]["options"] = "-c application_name=chaos"
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(CREATE)
            cursor.execute("CREATE INDEX chaos_item ON chaos_ledger (batch_id, item_key)")
            for statement in WATCH_GROUPS[connection.vendor]:
                cursor.execute(statement)
        if self.mutant:
            mutants.MUTANTS[self.mutant].alter_database()
        connection.close()
        return self

    def hire(self) -> None:
        """Start the keeper and its workers."""
        log = open(Path(self.var) / "worker.log", "ab")  # noqa: SIM115 - the child's for its life
        command = [sys.executable, "-m", "batchportal.worker"]
        given = os.environ | {"CHAOS_CLOCK": str(self.clock), "CHAOS_MUTANT": self.mutant}
        if self.own_wire and self.postgresql is not None:
            self.cut_before = self.replies_lost()
            self.wire = Wire(self.postgresql.port)
            url = given["DATABASE_URL"].replace(f":{self.postgresql.port}/", f":{self.wire.port}/")
            given["DATABASE_URL"] = url
        self.keeper = subprocess.Popen(command, cwd=ROOT, env=given, stdout=log, stderr=log, start_new_session=True)

    def replies_lost(self) -> int:
        return self.cut_before + (self.wire.landed if self.wire is not None else 0)

    def celery(self) -> int | None:
        """The pid of Celery's parent process, under the keeper."""
        return next(iter(children_of(self.keeper.pid)), None) if self.keeper else None

    def deaths(self) -> int:
        """Worker processes that were there at an earlier look and are no more."""
        parent = self.celery()
        alive = set(children_of(parent)) if parent else set()
        self.seen |= alive
        return len(self.seen) - len(alive)

    def stop(self) -> None:
        """End what was started; stopped processes are woken first."""
        if self.keeper is not None:
            for pid in descendants_of(self.keeper.pid):
                send(pid, signal.SIGCONT)
            self.keeper.terminate()
            try:
                self.keeper.wait(20)
            except subprocess.TimeoutExpired:
                for pid in [*descendants_of(self.keeper.pid), self.keeper.pid]:
                    send(pid, signal.SIGKILL)
        for server in (self.valkey, self.postgresql):
            if server is not None:
                server.stop()
        if self.disk is not None:
            self.disk.unmount()

    def log(self) -> str:
        return (Path(self.var) / "worker.log").read_text(errors="replace")


class SmallDisk:
    """A file system of its own that can be filled; only root may mount one."""

    MEGABYTES = 400

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="portal-disk-")
        self.balloon = Path(self.path) / "balloon"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.MEGABYTES}m", "tmpfs", self.path], check=True)
        os.chmod(self.path, 0o755)

    def fill(self) -> None:
        """Not a byte is left."""
        with self.balloon.open("ab", buffering=0) as balloon:
            block = bytes(64 * 1024)
            try:
                while balloon.write(block):
                    pass
            except OSError:
                return

    def free(self) -> None:
        self.balloon.unlink(missing_ok=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)
        Path(self.path).rmdir()


def send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def descendants_of(parent: int) -> list[int]:
    direct = children_of(parent)
    return direct + [pid for child in direct for pid in descendants_of(child)]
