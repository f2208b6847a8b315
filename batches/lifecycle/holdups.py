"""What holds batches up as a whole, of which every page tells: the pause of everything, and a full disk."""

from __future__ import annotations

from django.db import connection

from batches.extensions import Extension, Notice
from batches.lanes import global_pause
from batches.lifecycle import waiting_for_room
from batches.no_room import database_has_no_room, where_to_free

WHICH = """
    SELECT EXISTS (SELECT 1 FROM batches_globalpause WHERE in_force),
           EXISTS (SELECT 1 FROM batches_batch WHERE status IN ('PAUSING', 'PAUSED') AND reason LIKE %s)
"""


def notices() -> list[Notice]:
    """Every page asks; where nothing is held up that is one statement."""
    with connection.cursor() as cursor:
        cursor.execute(WHICH, [f"{waiting_for_room.PREFIX}%"])
        everything, some = cursor.fetchone()
    full = waiting_for_room.notices() if some else []
    if not full and database_has_no_room():
        full = [Notice(f"The database's disk is full. {where_to_free()}.")]
    return [*(global_pause.notices() if everything else []), *full]


EXTENSION = Extension(name="holdups", notices=notices)
