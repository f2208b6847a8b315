"""Keeps one Celery worker running: `python -m batchportal.worker`. A worker that dies is started again.

Both end together: a keeper that is told to stop ends its worker, with force once its grace is over, and one that is
killed takes the worker along.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

COMMAND = [
    *(sys.executable, "-m", "celery", "--quiet", "-A", "batchportal", "worker", "--beat"),
    *("--concurrency", os.environ.get("PORTAL_WORKERS", "2"), "--loglevel", "WARNING"),
    *("--without-gossip", "--without-mingle"),
]
GRACE_SECONDS = 60.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Keeper:
    """Starts the worker again until it is told to stop; then the worker has `grace` seconds to end by itself."""

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.grace = grace
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None

    def stop(self, signum: int, frame: FrameType | None) -> None:
        if not self.stopping:
            self.stopping = True
            force = threading.Timer(self.grace, self.kill)
            force.daemon = True
            force.start()
        if self.child is not None:
            self.child.terminate()

    def kill(self) -> None:
        """End the worker, and the processes of its pool, whatever they do."""
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        keeper = os.getpid()
        while not self.stopping:
            self.child = subprocess.Popen(  # noqa: S603 - our own command
                COMMAND,
                start_new_session=True,
                preexec_fn=lambda: end_with(keeper),
            )
            code = self.child.wait()
            if not self.stopping:
                print(f"The worker ended with {code}; starting it again.", flush=True)  # noqa: T201
                time.sleep(1)
        return 0


def end_with(keeper: int) -> None:
    """Have this process told to end when the keeper has died, however it died."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != keeper:
            os._exit(1)


if __name__ == "__main__":
    sys.exit(Keeper(*map(float, sys.argv[1:2])).run())
