"""The savepoint of a chunk's items: one stands at a time, and serves from item to item.

It is lazy: it is set when an item first touches the database. On PostgreSQL it travels in one message with the
statement that does so, which spares every such item a round trip. After a rollback it still stands, for the next item.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

LINE = re.compile(r"^LINE (\d+):", re.M)


class Savepoint:
    """`clean` while it stands with nothing done behind it. `send` executes a statement past every check."""

    def __init__(self, connection: BaseDatabaseWrapper, item_timeout: float, send: Callable[[str], None]) -> None:
        self.send, self.number, self.clean = send, 0, False
        self.multiple = self.together = connection.vendor == "postgresql"
        self.first = [f"SET LOCAL statement_timeout = {int(item_timeout * 1000)}"] if self.together else []

    def forget(self) -> None:
        """Another transaction begins."""
        self.number, self.clean = 0, False

    def set(self) -> None:
        """Have the savepoint stand with nothing done behind it."""
        steps = self._steps()
        for message in ["; ".join(steps)] if steps and self.multiple else steps:
            self.send(message)

    def set_with(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Have it stand clean, and execute an item's first statement: in one message where the driver sends one."""
        cursor = context["cursor"].cursor
        if self.clean or not self.together or many or not isinstance(sql, str) or cursor.name is not None:
            self.set()
            return execute(sql, params, many, context)
        before, steps = cursor.query, "; ".join(self._steps())
        try:
            return execute(f"{steps};\n{sql}", params, many, context)
        except BaseException as error:
            if cursor.query is before:  # nothing was sent
                self.send(steps)
            hide_first_line(error)
            raise

    def roll_back(self) -> None:
        """Undo what was done since the savepoint was set.

        If this fails after a statement that was no SQL, the message was refused as a whole, and the savepoint never
        stood; from then on it is sent ahead of the items' statements.
        """
        try:
            self.send(f"ROLLBACK TO SAVEPOINT item_{self.number}")
        except BaseException:
            self.together = False
            raise
        self.clean = True

    def _steps(self) -> list[str]:
        if self.clean:
            return []
        before = [f"RELEASE SAVEPOINT item_{self.number}"] if self.number else self.first
        self.number, self.clean = self.number + 1, True
        return [*before, f"SAVEPOINT item_{self.number}"]


def hide_first_line(error: BaseException) -> None:
    """The server counts lines from the savepoint's, of which the author of the statement knows nothing."""
    if error.args and isinstance(error.args[0], str):
        message = LINE.sub(lambda line: f"LINE {max(1, int(line[1]) - 1)}:", error.args[0])
        error.args = (message, *error.args[1:])
