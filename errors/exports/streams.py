"""Downloads that are really streamed: a block is made when the client has taken the one before.

Django keeps a synchronous iterator whole in memory before an ASGI server gets its first byte, and daphne takes whatever
it is given: without a look at what the client has not taken yet, a slow client's export would pile up in its memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse

logger = logging.getLogger("batches")

MAX_BACKLOG_BYTES = 1024 * 1024
"""How much may be on its way to a client."""
FIRST_WAIT, LONGEST_WAIT = 0.005, 0.25
"""Seconds between two looks at the backlog."""
PATIENCE = 60.0
"""Seconds for which a client may take nothing before its connection is cut."""


def no_hang_up() -> None:
    """For servers that cannot cut a connection: there the raised error ends it."""


class Download(StreamingHttpResponse):
    """An attachment made of blocks. Cut off in the middle, it has no proper end, so that a client notices."""

    def __init__(
        self, request: HttpRequest, blocks: Iterator[bytes], *, content_type: str, filename: str, rows: int | None
    ) -> None:
        super().__init__(blocks, content_type=content_type)
        self.blocks = blocks
        extensions: dict[str, Any] = getattr(request, "scope", {}).get("extensions", {})
        self.backlog: Callable[[], int] = extensions.get("batchportal.backlog", int)
        self.hang_up: Callable[[], None] = extensions.get("batchportal.hang_up", no_hang_up)
        self.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
        self.headers["X-Content-Type-Options"] = "nosniff"
        self.headers["Cache-Control"] = "no-store"
        if rows is not None:
            self.headers["X-Row-Count"] = str(rows)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        step = sync_to_async(self.next_block)
        try:
            while (block := await step()) is not None:
                if block:
                    yield block
                    await self.wait_until_taken()
        except Exception:
            logger.exception("an export broke off")
            self.hang_up()
            raise

    def next_block(self) -> bytes | None:
        return next(self.blocks, None)

    async def wait_until_taken(self) -> None:
        """Wait until the client has taken nearly all it was sent. Raises `TimeoutError` if it takes nothing."""
        wait, since, left = FIRST_WAIT, monotonic(), self.backlog()
        while left > MAX_BACKLOG_BYTES:
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            if (now := self.backlog()) < left:
                since, left = monotonic(), now
            elif monotonic() - since > PATIENCE:
                raise TimeoutError(f"its client took nothing for {PATIENCE:.0f} s")


class DownloadSlots:
    """Who has a large download under way in this process: one each."""

    def __init__(self) -> None:
        self.last_block_at: dict[Any, float] = {}
        """user -> when a block was last made for their download, in seconds of `monotonic`."""

    def is_taken(self, user: Any) -> bool:
        """A download that has not moved for long does not count: its client may be gone without a word."""
        return monotonic() - self.last_block_at.get(user, -2 * PATIENCE) < 2 * PATIENCE

    def held_by(self, user: Any, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks; while they are made, the user's slot is taken."""
        try:
            for block in blocks:
                self.last_block_at[user] = monotonic()
                yield block
        finally:
            self.last_block_at.pop(user, None)
            with suppress(AttributeError):
                blocks.close()  # type: ignore[attr-defined]


download_slots = DownloadSlots()
