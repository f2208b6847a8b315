"""Keeps one Celery worker running: `python -m batchportal.worker`. A worker that dies is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

COMMAND = [
    *(sys.executable, "-m", "celery", "--quiet", "-A", "batchportal", "worker", "--beat"),
    *("--concurrency", os.environ.get("PORTAL_WORKERS", "2"), "--loglevel", "WARNING"),
    *("--without-gossip", "--without-mingle"),
]


class Keeper:
    """Starts the worker again until it is told to stop."""

    def __init__(self) -> None:
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None

    def stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self.child is not None:
            self.child.terminate()

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        while True:
            self.child = subprocess.Popen(COMMAND, start_new_session=True)  # noqa: S603 - our own command
            code = self.child.wait()
            if self.stopping:
                return 0
            print(f"The worker ended with {code}; starting it again.", flush=True)  # noqa: T201
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(Keeper().run())
