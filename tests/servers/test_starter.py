"""Servers of tests and benches end with the process that started them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until

STARTER = """
import signal
from tests.servers.postgresql import PostgreSQL
from tests.servers.starter import end_in_order
from tests.servers.valkey import Valkey

end_in_order()
postgresql, valkey = PostgreSQL().start(), Valkey().start()
try:
    print(postgresql.process.pid, valkey.process.pid, postgresql.root, flush=True)
    signal.pause()
finally:
    valkey.kill()
    postgresql.stop()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is told that its parent has ended")
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_it_leaves_no_server_behind_when_a_starter_is_ended(by: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        postgresql, valkey, root = starter.stdout.readline().split()
        starter.send_signal(by)
    wait_until(lambda: not lives(postgresql) and not lives(valkey))
    assert by == signal.SIGKILL or not Path(root).exists()


def lives(pid: str) -> bool:
    """Not as what its parent has yet to ask after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
