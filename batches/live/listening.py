"""A web process listens for hints that batches have moved, and listens again when the channel layer is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from channels.layers import get_channel_layer

from batches.lifecycle.hints import GROUP

logger = logging.getLogger("batches")

TROUBLE_SECONDS = 1.0
"""Until a layer that failed is tried again, and as long as a farewell may take."""
JOIN_SECONDS = 10.0
"""Of silence, after which the group is joined again."""


class Listener:
    """One membership in the hints' group; `run` until cancelled, which ends the membership."""

    def __init__(self, take_hint: Callable[[Iterable[str]], None]) -> None:
        self.take_hint, self.layer = take_hint, get_channel_layer()
        self.channel = ""
        self.away = False

    async def run(self) -> None:
        self.channel = await self.layer.new_channel()
        try:
            while True:
                try:
                    await self.listen()
                except Exception as error:  # whatever a layer raises
                    self.note_away(error)
                    await asyncio.sleep(TROUBLE_SECONDS)
        finally:
            await self.leave()

    async def listen(self) -> None:
        """Until the layer fails, or is silent: one that was emptied has forgotten us, so we join again."""
        await self.layer.group_add(GROUP, self.channel)
        self.note_back()
        try:
            while True:
                message = await asyncio.wait_for(self.layer.receive(self.channel), JOIN_SECONDS)
                self.take_hint(message["batches"])
        except TimeoutError:
            return

    async def leave(self) -> None:
        """So that no hint is sent to a channel nobody reads; a layer that is away forgets it by itself."""
        try:
            async with asyncio.timeout(TROUBLE_SECONDS):
                await self.layer.group_discard(GROUP, self.channel)
        except Exception as error:
            logger.info("the channel layer was not told that nobody listens: %s", error)

    def note_away(self, error: Exception) -> None:
        if not self.away:
            logger.warning("no hints from the channel layer, looking once a second: %s", error)
        self.away = True

    def note_back(self) -> None:
        if self.away:
            logger.warning("the channel layer is back, and with it the hints")
        self.away = False
