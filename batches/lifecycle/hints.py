"""Hints to the web processes that a batch has moved: through the channel layer, never in the way of a chunk.

A hint carries no numbers, only ids: whoever gets one reads the database, whoever misses one reads it a second later.
Without a layer that reaches other processes (REDIS_URL) nothing is sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading

from channels.layers import get_channel_layer

from batches.conf import settings

logger = logging.getLogger("batches")

GROUP = "progress"
HINT_INTERVAL = 0.25
RETRY_INTERVAL = 2.0


class Hinter:
    """One thread a process: at most four messages a second, each for all batches that have moved."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.moved: set[str] = set()
        self.wake = threading.Event()
        threading.Thread(target=self._run, name="hints", daemon=True).start()

    def hint(self, batch_id: str) -> None:
        self.moved.add(batch_id)
        if not self.wake.is_set():
            self.wake.set()

    def _run(self) -> None:
        with asyncio.Runner() as loop:
            while True:
                self.wake.wait()
                self.wake.clear()
                loop.run(self._send())

    async def _send(self) -> None:
        moved, self.moved = self.moved, set()
        try:
            await get_channel_layer().group_send(GROUP, {"type": "hint", "batches": sorted(moved)})
            await asyncio.sleep(HINT_INTERVAL)
        except Exception as error:  # whatever a layer raises: a lost hint costs a second
            logger.warning("no hint to the web processes, they will see it a second later: %s", error)
            await asyncio.sleep(RETRY_INTERVAL)


_hinter: Hinter | None = None


def hint(batch_id: str) -> None:
    """A batch has moved. Costs a set's `add`; the first one in a process, forked or not, starts its thread."""
    global _hinter
    if not settings.REDIS_URL:
        return
    if _hinter is None or _hinter.pid != os.getpid():
        _hinter = Hinter()
    _hinter.hint(batch_id)
