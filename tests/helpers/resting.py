"""What others see and do between two steps of a long act."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from batches.steps import Steps
from tests.helpers.waiting import PATIENCE


def while_it_rests(monkeypatch: pytest.MonkeyPatch, look: Callable[[], Any]) -> list[Any]:
    """Runs a function in a thread of its own whenever a step was written; what it answered, each time."""
    answers: list[Any] = []

    def look_and_leave() -> None:
        try:
            answers.append(look())
        finally:
            connection.close()

    def rest(steps: Steps) -> None:
        thread = Thread(target=look_and_leave)
        thread.start()
        thread.join(PATIENCE)

    monkeypatch.setattr(Steps, "rest", rest)
    return answers
