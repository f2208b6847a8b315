"""Signals: how the engine tells others, without knowing them."""

from django.dispatch import Signal

item_failed = Signal()
"""Sent inside the chunk's transaction, once for all failed attempts of that chunk.

Arguments: `batch` (Batch), `failures` (list of `batches.lanes.outcomes.Failure`). What a receiver writes commits or
rolls back with the items, and a receiver that raises rolls the chunk back.
"""

items_rehearsed = Signal()
"""Sent for the failures of a rehearsed chunk, after it was rolled back. Arguments: `batch`, `failures` (as above).

A receiver answers a list with a dict for each failure: fingerprint, title, category, code, error_type, message.
"""

items_corrected = Signal()
"""Sent inside the transaction that corrects items, before anything is done to them. Arguments: `batch` (Batch), `retry`
(Retry), `items` (their ids, as a query)."""

batch_transitioned = Signal()
"""Sent after commit for every change of status. Arguments: `batch_id`, `from_status`, `to_status`, `reason`,
`actor`."""

milestone_reached = Signal()
"""Sent after commit, once a milestone. Arguments: `batch_id`, `milestone` (25, 50, 75 or 100), `reached_at`."""
