"""The processor under fire: every doing of an item leaves a row in a table that forbids nothing."""

from __future__ import annotations

import time
from typing import Any

from django.db import connection

from batches.processors import Context, ItemError, processor

CREATE = "CREATE TABLE chaos_ledger (batch_id varchar(64) NOT NULL, item_key varchar(200) NOT NULL)"


@processor("chaos.ledger")
def write(payload: dict[str, Any], context: Context) -> dict[str, int]:
    """A row, perhaps some time, perhaps a failure after the row."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chaos_ledger VALUES (%s, %s)", (context.batch_id, context.item_key))
    if payload.get("ms"):
        time.sleep(payload["ms"] / 1000)
    if payload.get("fails"):
        raise ItemError("it was to fail", code="PLANNED", category="validation")
    return {"position": context.position}
