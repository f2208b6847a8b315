"""`batchportal run`: web and worker together. What is killed is started again; Ctrl-C ends both within ten seconds,
and both end with their supervisor when that is killed itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

from honcho import manager
from honcho import process as honcho_process

SECONDS_TO_END = 8
"""Honcho kills what has not ended by then."""
WORKERS_GRACE = 6
"""The worker's own bound, below that, so that nothing of it is left."""
SECONDS_BETWEEN_STARTS = 1.0
LOOK_AT_SUPERVISOR_EVERY = 0.5


class Process(honcho_process.Process):  # type: ignore[misc]
    """Honcho's process, which ends what it has started when the supervisor has died, however it died."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.supervisor = os.getpid()

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """In a process of its own, forked from the supervisor's."""
        threading.Thread(target=self.end_with_supervisor, args=[events], daemon=True).start()
        super().run(events, ignore_signals)

    def end_with_supervisor(self, events: Any) -> None:
        while os.getppid() == self.supervisor:
            time.sleep(LOOK_AT_SUPERVISOR_EVERY)
        events.cancel_join_thread()  # nobody reads them any more
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
            time.sleep(SECONDS_TO_END)


class Supervisor(manager.Manager):  # type: ignore[misc]
    """Honcho's manager, which ends everything when a process ends, but for those that were killed: they come back."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._process_ctor = Process

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
