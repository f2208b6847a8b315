"""How many sockets a web process and a person may have open."""

from __future__ import annotations

from collections import Counter

from batches.conf import settings


class SocketCounts:
    """The open sockets of this process, by the id of their user."""

    def __init__(self) -> None:
        self.by_user: Counter[int] = Counter()

    @property
    def total(self) -> int:
        return self.by_user.total()

    def reserve(self, user_id: int) -> str:
        """A place for one more socket of that person, until it is released; else why there is none."""
        if self.total >= settings.PORTAL_SOCKETS:
            return "This web process has as many sockets open as it may have (PORTAL_SOCKETS)."
        if self.by_user[user_id] >= settings.PORTAL_SOCKETS_PER_USER:
            return "This account has as many sockets open as it may have (PORTAL_SOCKETS_PER_USER)."
        self.by_user[user_id] += 1
        return ""

    def release(self, user_id: int) -> None:
        self.by_user[user_id] -= 1
        if self.by_user[user_id] <= 0:
            del self.by_user[user_id]
