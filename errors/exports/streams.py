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

BACKLOG = 1024 * 1024
"""So many bytes may be on their way to a client."""
WAIT, LONGEST_WAIT = 0.005, 0.25
PATIENCE = 60.0
"""Seconds for which a client may take nothing before it is hung up on."""


def nothing() -> None:
    """For servers that cannot cut a connection: raising is all there is."""


class Download(StreamingHttpResponse):
    """An attachment made of blocks. Cut off in the middle, it has no proper end, so that a client notices."""

    def __init__(
        self, request: HttpRequest, blocks: Iterator[bytes], *, content_type: str, filename: str, rows: int | None
    ) -> None:
        super().__init__(blocks, content_type=content_type)
        self.blocks = blocks
        extensions: dict[str, Any] = getattr(request, "scope", {}).get("extensions", {})
        self.backlog: Callable[[], int] = extensions.get("batchportal.backlog", int)
        self.hang_up: Callable[[], None] = extensions.get("batchportal.hang_up", nothing)
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
                    await self.taken()
        except Exception:
            logger.exception("an export broke off")
            self.hang_up()
            raise

    def next_block(self) -> bytes | None:
        return next(self.blocks, None)

    async def taken(self) -> None:
        """Wait until the client has taken nearly all it was sent."""
        wait, since, left = WAIT, monotonic(), self.backlog()
        while left > BACKLOG:
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            if (now := self.backlog()) < left:
                since, left = monotonic(), now
            elif monotonic() - since > PATIENCE:
                raise TimeoutError(f"its client took nothing for {PATIENCE:.0f} s")


class Turns:
    """Who has a heavy export under way in this process: one each."""

    def __init__(self) -> None:
        self.busy: dict[Any, float] = {}

    def is_busy(self, user: Any) -> bool:
        """A download that has not moved for long is not counted: its client may be gone without a word."""
        return monotonic() - self.busy.get(user, -2 * PATIENCE) < 2 * PATIENCE

    def taking(self, user: Any, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks; while they are made, it is that user's turn."""
        try:
            for block in blocks:
                self.busy[user] = monotonic()
                yield block
        finally:
            self.busy.pop(user, None)
            with suppress(AttributeError):
                blocks.close()  # type: ignore[attr-defined]


turns = Turns()
