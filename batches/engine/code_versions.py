"""Which code a batch ran with: its history says when that changes under way."""

from __future__ import annotations

import inspect
import logging
from hashlib import sha256

from django.db import transaction

from batches.lifecycle import transitions
from batches.models import Batch
from batches.processors import Processor

logger = logging.getLogger("batches")

HASH_LENGTH = 12


def code_of(processor: Processor) -> str:
    """A hash of the module that holds the processor; empty where it has no source."""
    module = inspect.getmodule(processor.function)
    try:
        source = inspect.getsource(module or processor.function)
    except (OSError, TypeError):
        return ""
    return sha256(source.encode()).hexdigest()[:HASH_LENGTH]


def of_batch(batch: Batch, processor: Processor | None) -> str:
    """What the batch runs with, if it is a processor's."""
    return code_of(processor) if processor is not None and batch.processor else ""


def note(batch: Batch, processor: Processor) -> None:
    """Remember the code the batch runs with now; code it did not run with before goes into its history, once."""
    code = of_batch(batch, processor)
    if not code or code in batch.code:
        return
    if not batch.code and Batch.objects.filter(pk=batch.pk, code=[]).update(code=[code]):
        batch.code = [code]
        return
    with transaction.atomic():
        locked = Batch.objects.select_for_update().get(pk=batch.pk)
        if code in locked.code:
            return
        batch.code = [*locked.code, code]
        Batch.objects.filter(pk=batch.pk).update(code=batch.code)
        version = f" It is version {processor.version} now." if processor.version else ""
        why = f"The code of {processor.name} changed since the batch began: {locked.code[-1]} → {code}.{version}"
        transitions.record(locked, "code", locked.status, locked.status, actor="worker", reason=why)
        logger.warning("batch %s: %s", batch.pk, why)
