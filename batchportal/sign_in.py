"""Sign-ins take turns: the hash of a password is made to cost CPU, and a crowd must not cost everybody else theirs."""

from __future__ import annotations

import threading

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import PermissionDenied

AT_A_TIME = 2
LONGEST_TURN = 20.0
"""Seconds after which a sign-in that still waits is refused; it may be tried again."""
_turns = threading.BoundedSemaphore(AT_A_TIME)


class PatientHasher(PBKDF2PasswordHasher):
    """Django's own, two passwords at a time in a process."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        if not _turns.acquire(timeout=LONGEST_TURN):
            raise PermissionDenied("Too many people sign in at this moment.")
        try:
            return super().encode(password, salt, iterations)
        finally:
            _turns.release()
