"""The folder that is the broker of a portal on one machine: a message is there whole, or not yet."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from celery import current_app
from kombu import Connection
from kombu.exceptions import ChannelError

from batchportal.file_broker import Transport

MESSAGES = 2_000
Open = Callable[[], Any]


@pytest.fixture
def channel(tmp_path: Path) -> Open:
    """Opens a channel of its own to one folder."""
    folders = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path / "c")}
    return lambda: Connection("filesystem://", transport=Transport, transport_options=folders).channel()


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns within a single write."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_it_is_the_broker_of_a_portal_that_names_no_other() -> None:
    if str(current_app.conf.broker_url).startswith("filesystem"):  # not where CELERY_BROKER_URL names a server
        assert current_app.conf.broker_transport == "batchportal.file_broker:Transport"


@pytest.mark.usefixtures("restless")
@pytest.mark.full
def test_whoever_looks_while_messages_come_gets_each_of_them_whole(channel: Open) -> None:
    written, read = channel(), channel()
    writer = threading.Thread(target=lambda: [written._put("work", {"n": n}) for n in range(MESSAGES)])
    writer.start()
    received = []
    while len(received) < MESSAGES:
        is_over = not writer.is_alive()
        try:
            received.append(read._get("work")["n"])
        except Empty:
            if is_over:
                break
    writer.join()
    assert sorted(received) == list(range(MESSAGES))


def test_a_message_that_cannot_be_written_is_refused_and_seen_by_nobody(channel: Open, tmp_path: Path) -> None:
    sender = channel()
    (tmp_path / "gone").mkdir()
    sender.data_folder_out = str(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ChannelError, match="Cannot add"):
        sender._put("work", {})
    with pytest.raises(Empty):
        channel()._get("work")
