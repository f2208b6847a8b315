"""TCP ports for servers that have to be told theirs, before they listen."""

from __future__ import annotations

import random
import socket

CANDIDATES = range(10_000, 32_000)
"""Below the ports that operating systems hand out by themselves, to clients too."""
_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that is this process's as long as it lives: no other caller of this function is given it.

    What reserves it is a UDP socket of the same number; TCP, which the servers speak, does not see that one.
    """
    for port in random.SystemRandom().sample(CANDIDATES, 1_000):
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
            with socket.socket() as listening:
                listening.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        _reserved.append(reservation)
        return port
    raise RuntimeError("Of a thousand ports none is free.")
