"""How many web processes there are; for settings, and for their keeper, which is to start without Django."""

from __future__ import annotations

import environ

MOST = 64
LIFELINE = "BATCHPORTAL_LIFELINE"
"""Names the pipe that is closed when the keeper of the web processes is gone, however it went."""


class NoNumber(ValueError):
    """PORTAL_WEB says what cannot be."""


def web_processes() -> int:
    """`PORTAL_WEB`; two unless set, and one where `DEBUG` is on."""
    env = environ.Env()
    processes = env.int("PORTAL_WEB", default=1 if env.bool("DEBUG", default=False) else 2)
    if not 1 <= processes <= MOST:
        raise NoNumber(f"PORTAL_WEB must be between 1 and {MOST}.")
    return processes
