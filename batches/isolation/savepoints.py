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
        """Have it stand clean."""
        steps = self._steps()
        for message in ["; ".join(steps)] if steps and self.multiple else steps:
            self.send(message)

    def set_with(self, ask: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Have it stand, and ask what an item asks first: in one message, if the driver would send one."""
        cursor = context["cursor"].cursor
        if self.clean or not self.together or many or not isinstance(sql, str) or cursor.name is not None:
            self.set()
            return ask(sql, params, many, context)
        before, steps = cursor.query, "; ".join(self._steps())
        try:
            return ask(f"{steps};\n{sql}", params, many, context)
        except BaseException as error:
            if cursor.query is before:  # nothing was sent
                self.send(steps)
            hide_first_line(error)
            raise

    def roll_back(self) -> None:
        """Undo what was done since it was set.

        If this fails after a statement that was no SQL, the message was refused as a whole, and the savepoint never
        stood; from then on it goes ahead of what the items ask.
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
    """The server counts lines from the savepoint's; whoever wrote the statement does not know of it."""
    if error.args and isinstance(error.args[0], str):
        said = LINE.sub(lambda line: f"LINE {max(1, int(line[1]) - 1)}:", error.args[0])
        error.args = (said, *error.args[1:])
