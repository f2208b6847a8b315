"""Signals: how the engine tells others, without knowing them."""

from django.dispatch import Signal

item_failed = Signal()
"""Sent inside the chunk's transaction, once for all failed attempts of that chunk.

Arguments: `batch` (Batch), `failures` (list of `batches.outcomes.Failure`). What a receiver writes commits or
rolls back with the items, and a receiver that raises rolls the chunk back.
"""

batch_transitioned = Signal()
"""Sent after commit for every change of status. Arguments: `batch_id`, `from_status`, `to_status`, `reason`,
`actor`."""

milestone_reached = Signal()
"""Sent after commit, once a milestone. Arguments: `batch_id`, `milestone` (25, 50, 75 or 100), `reached_at`."""
