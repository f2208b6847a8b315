"""The broker of a portal on one machine: a folder, in which each message appears whole.

Kombu's own transport creates a message's file, and then writes into it. A worker that looks in between takes it empty,
and dies of that.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):  # type: ignore[misc]
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Write the message beside its place, under a name that belongs to no queue, and move it there."""
        file = Path(self.data_folder_out, f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg")
        unfinished = file.with_name(f"{file.name}.unfinished")
        try:
            unfinished.write_text(dumps(payload))
            unfinished.rename(file)
        except OSError as error:
            raise ChannelError(f"Cannot add {file.name} to the folder of the broker: {error}") from error


class Transport(filesystem.Transport):  # type: ignore[misc]
    Channel = Channel
