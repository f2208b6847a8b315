"""Celery's pool of processes, made to notice at once when one of them has died.

Celery waits for an event of the operating system and looks for itself only every 5 s (0.8 s without an event loop). The
event is lost for a process that got the file number of the one it replaced, so looking must not take that long.
"""

from __future__ import annotations

from time import sleep
from typing import Any

from billiard import exceptions
from billiard.pool import RUN
from celery.concurrency import asynpool, prefork

LOOK_EVERY = 0.1
Blocking: Any = prefork.TaskPool.BlockingPool


class AttentivePool(asynpool.AsynPool):
    """With an event loop: for brokers like Redis and RabbitMQ."""

    @property
    def timers(self) -> dict[Any, float]:
        return {self.maintain_pool: LOOK_EVERY}


class AttentiveSupervisor(Blocking.Supervisor):
    """The thread that looks, where there is no event loop: for the broker of files."""

    def body(self) -> None:
        try:
            while self._state == RUN and self.pool._state == RUN:
                self.pool._maintain_pool()
                sleep(LOOK_EVERY)
        except exceptions.RestartFreqExceeded:
            self.pool.close()
            self.pool.join()
            raise


class AttentiveBlockingPool(Blocking):
    Supervisor = AttentiveSupervisor


class Processes(prefork.TaskPool):
    """`CELERY_WORKER_POOL`."""

    Pool = AttentivePool
    BlockingPool = AttentiveBlockingPool
