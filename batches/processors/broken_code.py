"""A plug-in's own code that breaks while somebody waits for an answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from traceback import format_tb
from typing import Any

from django.db import Error as AnyDatabaseError

from batches.exceptions import BatchError, InvalidInput
from batches.redaction import redact_text

logger = logging.getLogger("batches")


@contextmanager
def named_if_it_breaks(processor: str, did: str, params: Mapping[str, Any]) -> Iterator[None]:
    """What the processor's code raises, but for refusals, is an `InvalidInput` that names the processor.

    The log has where it broke; what it says is masked as everywhere.
    """
    try:
        yield
    except (BatchError, AnyDatabaseError):
        raise
    except Exception as error:
        problem = redact_text(f"{type(error).__name__}: {error}", params)
        message = f"Processor {processor} broke when it {did}: {problem}"
        logger.error("%s\n%s", message, "".join(format_tb(error.__traceback__)))
        raise InvalidInput(message, {"processor": [message]}) from error
