"""`batchportal run`: web and worker together. What is killed is started again; Ctrl-C ends both within ten seconds."""

from __future__ import annotations

import multiprocessing
import time
from typing import Any

from honcho import manager

SECONDS_TO_END = 8
"""Honcho kills what has not ended by then."""
WORKERS_GRACE = 6
"""The worker's own bound, below that, so that nothing of it is left."""
SECONDS_BETWEEN_STARTS = 1.0


class Supervisor(manager.Manager):  # type: ignore[misc]
    """Honcho's manager, which ends everything when a process ends, but for those that were killed: they come back."""

    def loop(self) -> None:
        manager.KILL_WAIT = SECONDS_TO_END
        super().loop()

    def _all_started(self) -> bool:
        """The first question of the loop, after each event."""
        for name, process in self._processes.items():
            if (process.get("returncode") or 0) < 0 and not self._terminating:
                self.start_again(name, process)
        return bool(super()._all_started())

    def start_again(self, name: str, process: dict[str, Any]) -> None:
        self._system_print(f"{name} was killed; it is started again\n")
        time.sleep(SECONDS_BETWEEN_STARTS)
        del process["returncode"], process["pid"]
        self.returncode = None
        process["process"] = multiprocessing.Process(name=name, target=process["obj"].run, args=(self.events, True))
        process["process"].start()
