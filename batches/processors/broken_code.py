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
def named_if_it_breaks(
    processor: str,
    did: str,
    params: Mapping[str, Any],
    *,
    raises: type[InvalidInput] = InvalidInput,
    is_repeated: bool = False,
) -> Iterator[None]:
    """What the processor's code raises, but for refusals, is an `InvalidInput`, or that kind which the caller
    `raises`, that names the processor.

    What it says is masked as everywhere. The log has where it broke, unless `is_repeated`: a worker tries the same
    again at each look.
    """
    try:
        yield
    except (BatchError, AnyDatabaseError):
        raise
    except Exception as error:
        problem = redact_text(f"{type(error).__name__}: {error}", params)
        message = f"Processor {processor} broke when it {did}: {problem}"
        logger.log(
            logging.DEBUG if is_repeated else logging.ERROR, "%s\n%s", message, "".join(format_tb(error.__traceback__))
        )
        raise raises(message, {"processor": [message]}) from error
