"""One item's own rollback point, its time limit, and the honesty checks on what it did to the transaction.

The savepoint is lazy (see `savepoints`), so pure processors pay nothing. On SQLite the BEGIN IMMEDIATE of the chunk is
lazy too, so its writer lock is held only while somebody really writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from traceback import clear_frames
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connections, transaction
from django.db import Error as DatabaseErrors

from batches.isolation.connections import Guarded, TransactionControl
from batches.isolation.interruptions import Interruptions
from batches.isolation.process_state import ProcessState, changes_session, outlives_transaction, remembered
from batches.isolation.savepoints import Savepoint
from batches.isolation.time_limits import TimeLimit

TRANSACTION_CONTROL = re.compile(
    r"(?:^|;)\s*(?:COMMIT|ROLLBACK(?!\s+TO)|BEGIN|START\s+TRANSACTION|END|ABORT|PREPARE\s+TRANSACTION)\b", re.I
)
CONTROL_WORDS = re.compile(r"\b(?:COMMIT|ROLLBACK|BEGIN|START|END|ABORT|PREPARE)\b", re.I)
QUOTED = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.S)


class TransactionBroken(Exception):
    """The item left the transaction broken: a database error inside it was swallowed, and its writes were undone."""


@remembered
def controls_transaction(sql: str) -> bool:
    """Whether a statement would end the chunk's transaction; words within quotes and comments do not count."""
    return bool(CONTROL_WORDS.search(sql) and TRANSACTION_CONTROL.search(QUOTED.sub(" ", sql)))


class ConnectionClosed(Exception):
    """A processor may not close the connection: it holds the chunk's transaction."""


class ChunkLost(OperationalError):
    """The database ended the chunk's transaction by itself; the cause is the last statement that it refused."""


class Uncontained(Exception):
    """An item did damage that its savepoint could not undo; `by_item` when it closed the connection itself."""

    def __init__(self, error: BaseException, by_item: bool) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error, self.by_item = error, by_item


class Isolation:
    """The chunk's transaction as the items see it; an execute wrapper of `connection`."""

    def __init__(self, item_timeout: float) -> None:
        self.connection = connections[DEFAULT_DB_ALIAS]
        self.time_limit = TimeLimit(item_timeout)
        self.interruptions = Interruptions()
        self.guard = ItemGuard(self, self.time_limit)
        self.process_state = ProcessState()
        self.lazy_begin = self.connection.vendor == "sqlite"
        self.begin = ""
        self.locked_at: float | None = None
        self.locked_for = 0.0
        self.in_item = False
        self.savepoint = Savepoint(self.connection, item_timeout, self._send)
        self.touched = False
        self.error: BaseException | None = None
        self.refused: DatabaseError | None = None
        self.session_changed = self.session_spoilt = False
        self._passing = False

    @contextmanager
    def chunk(self) -> Iterator[None]:
        """One durable transaction; on SQLite it begins for real with the first statement after the claim."""
        self.begin, self.locked_at = "", None
        self.savepoint.forget()
        self.session_changed, self.session_spoilt, self.refused = False, False, None
        try:
            with self.interruptions, self.time_limit, self.connection.execute_wrapper(self):
                self.process_state.note_handlers()
                with transaction.atomic(durable=True), self._held():
                    yield
        finally:
            self.locked_for = self.held_lock_for()
            if self.session_spoilt:
                self.connection.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Statements in here do not begin SQLite's write transaction."""
        self._passing = True
        try:
            yield
        finally:
            self._passing = False

    def item(self) -> ItemGuard:
        """Whatever goes wrong inside is undone up to here, and raised."""
        self.in_item, self.touched, self.error = True, False, None
        return self.guard

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody commits or rolls back through the driver, or writes through it without a savepoint."""
        raw = self.connection.connection
        if not isinstance(raw, Guarded):
            yield
            return
        raw.held, raw.before_statement = True, self._past_django
        try:
            yield
        finally:
            raw.held, raw.before_statement = False, None

    def _past_django(self) -> None:
        """A statement reaches the driver; if it is an item's first, it went there directly (COPY, say)."""
        if self.in_item and not self.touched and not self._passing:
            self._begin_now()
            self.touched = True
            self.savepoint.set()

    def held_lock_for(self) -> float:
        """Seconds since this chunk took SQLite's writer lock; 0 if it has not."""
        return 0.0 if self.locked_at is None else monotonic() - self.locked_at

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if self._passing:
            return execute(sql, params, many, context)
        if self.lazy_begin and not self.in_item and sql.startswith("BEGIN"):
            self.begin = sql
            return None
        self._begin_now()
        if self.locked_at is not None and not self.connection.connection.in_transaction:
            raise ChunkLost(ChunkLost.__doc__) from self.refused
        if not self.in_item:
            return self._execute(execute, sql, params, many, context)
        if controls_transaction(sql):
            self.error = TransactionControl(f"The processor sent {sql.strip()[:40]!r}. {TransactionControl.__doc__}")
            raise self.error
        if changes_session(sql):
            self.session_changed = True
            self.session_spoilt = self.session_spoilt or outlives_transaction(sql)
        send = partial(self._execute, execute)
        try:
            if self.touched:
                return send(sql, params, many, context)
            self.touched = True
            return self.savepoint.set_with(send, sql, params, many, context)
        except DatabaseError as error:
            if not self.connection.savepoint_ids:
                self.error = error
            raise

    def _execute(self, execute: Callable[..., Any], *statement: Any) -> Any:
        """Remember what the database refused."""
        try:
            return execute(*statement)
        except DatabaseError as refused:
            self.refused = refused
            raise

    def _begin_now(self) -> None:
        if self.begin:
            sql, self.begin = self.begin, ""
            self._send(sql)
            self.locked_at = monotonic()

    def leave_item(self, error: BaseException) -> None:
        """Undo an item whose guard could not: a signal raised `error` at its door, before anything was
        undone. After any other error there is nothing left to do."""
        if self.in_item:
            self.guard.__exit__(type(error), error, None)

    def undo(self, error: BaseException) -> None:
        """Undo what the item did before it failed with `error`; `Uncontained` if that is impossible."""
        by_item = self.connection.closed_in_transaction
        try:
            if not by_item and (self.savepoint.clean or self.touched):
                self._roll_back(error)
                self.touched = False
        except DatabaseErrors as undone:
            if self._has_ended() and not isinstance(self.error or error, DatabaseErrors):
                raise Uncontained(TransactionControl(TransactionControl.__doc__), by_item=True) from undone
            raise Uncontained(error, by_item=False) from undone
        except BaseException as undone:  # not the item's failure: what it did stands still
            raise Uncontained(error, by_item=False) from undone
        if by_item:
            raise Uncontained(ConnectionClosed(ConnectionClosed.__doc__), by_item=True) from error
        self.connection.needs_rollback = False

    def _roll_back(self, error: BaseException) -> None:
        """To the item's savepoint; an item that took all memory has let go of it when its frames are cleared."""
        try:
            self.savepoint.roll_back()
        except MemoryError:
            clear_frames(error.__traceback__)
            self.savepoint.roll_back()

    def _send(self, sql: str) -> None:
        """Past the wrapper, and past Django's refusal to talk to a transaction that needs a rollback."""
        needed, self.connection.needs_rollback = self.connection.needs_rollback, False
        was_passing, self._passing = self._passing, True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
        finally:
            self._passing, self.connection.needs_rollback = was_passing, needed

    def check_honesty(self) -> None:
        """Raise what the item did to the transaction and kept quiet about."""
        if self.error is not None:
            raise TransactionBroken(f"{TransactionBroken.__doc__} It was: {self.error}") from self.error
        if self.connection.closed_in_transaction:
            raise ConnectionClosed(ConnectionClosed.__doc__)
        if self.connection.needs_rollback:
            raise TransactionBroken(TransactionBroken.__doc__)
        if self.touched and self._has_ended():
            raise Uncontained(TransactionControl(TransactionControl.__doc__), by_item=True)

    def _has_ended(self) -> bool:
        """Whether the chunk's transaction is over, whichever way the item ended it."""
        raw = self.connection.connection
        if self.connection.vendor == "postgresql":
            return bool(raw.info.transaction_status == 0)
        return self.locked_at is not None and not raw.in_transaction


class ItemGuard:
    """The `with` block of one item: a class and no generator, since every item pays for it."""

    __slots__ = ("isolation", "time_limit")

    def __init__(self, isolation: Isolation, time_limit: TimeLimit) -> None:
        self.isolation, self.time_limit = isolation, time_limit

    def __enter__(self) -> None:
        try:
            self.time_limit.start()
        except BaseException as early:
            self.__exit__(type(early), early, None)
            raise

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        isolation = self.isolation
        try:
            self.time_limit.stop()
            if error is None:
                isolation.check_honesty()
        except Uncontained:
            raise
        except BaseException as late:
            isolation.undo(late)
            raise
        else:
            if error is not None:
                isolation.undo(error)
        finally:
            isolation.in_item = False
            isolation.process_state.restore()
        if isolation.touched:
            isolation.savepoint.clean = False
