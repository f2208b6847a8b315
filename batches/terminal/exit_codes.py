"""What `manage.py batch` ends with."""

OK = 0
"""All well: every item succeeded or was skipped."""
WITH_ERRORS = 1
"""The batch is finished, and some of its items failed."""
REFUSED = 2
"""Usage or input was refused."""
STOPPED = 3
"""Halted, paused or cancelled."""
BROKE = 4
"""The portal itself could not go on."""
