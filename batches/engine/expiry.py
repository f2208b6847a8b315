"""What grows with time and not with batches has an end; docs/growth.md says when."""

from __future__ import annotations

from batches import idempotency_manager
from batches.access import allowances, failures, sessions
from batches.intake import fixes
from batches.lanes import workers
from batches.lifecycle import deliveries, removal_record, samples, signing_secrets


def forget_expired() -> None:
    """Remove what has expired or was long ago: idempotency rows, uploads, samples, deliveries, secrets, workers, the
    record of batches that are gone, failed sign-ins, counts of requests, sessions."""
    idempotency_manager.cleanup_expired()
    fixes.forget_expired()
    samples.thin_out()
    deliveries.forget_old()
    signing_secrets.forget_previous()
    signing_secrets.reencrypt()
    workers.forget_dead()
    removal_record.forget_old()
    failures.forget_old()
    allowances.forget_ended()
    sessions.forget_ended()
