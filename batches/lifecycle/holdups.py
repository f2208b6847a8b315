"""What holds batches up as a whole, of which every page tells: the pause of everything, and a full disk."""

from __future__ import annotations

from django.db import connection

from batches.extensions import Extension, Notice
from batches.lanes import global_pause
from batches.lifecycle import full_database, waiting_for_room

WHICH = """
    SELECT EXISTS (SELECT 1 FROM batches_globalpause WHERE in_force),
           EXISTS (SELECT 1 FROM batches_batch WHERE status IN ('PAUSING', 'PAUSED') AND reason LIKE %s),
           {full}
"""


def notices() -> list[Notice]:
    """Every page asks; where nothing is held up that is one statement."""
    with connection.cursor() as cursor:
        which = WHICH.format(full=full_database.seen_by_worker())
        cursor.execute(which, [f"{waiting_for_room.PREFIX}%"])
        everything, some, seen = cursor.fetchone()
    full = (waiting_for_room.notices() if some else []) or full_database.notices(seen)
    return [*(global_pause.notices() if everything else []), *full]


EXTENSION = Extension(name="holdups", notices=notices)
