"""What the portal will not send to, or take in."""

from __future__ import annotations


class OutboundRefused(Exception):
    """The address is not one this portal may talk to, or the answer not one it may take in."""
