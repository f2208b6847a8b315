"""What became of one attempt of one item, and how an exception is put into words safely."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from batches.lanes.classification import Classification, classify, hung_on
from batches.models import Item
from batches.processors import ItemError, Processor, RetryItem
from batches.redaction import forms_in, redact_cards, redact_shapes, replaced

MAX_RESULT = 64 * 1024
MAX_MESSAGE = 8 * 1024
ENCODE = json.JSONEncoder(allow_nan=False).encode
BACKOFF_BASE, BACKOFF_CAP = 1.0, 300.0
MOST_FORGIVEN = 300  # rate-limited attempts of an item; at the longest backoff half a day


def now() -> datetime:
    """This machine's clock, in UTC; every item reads it twice."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Claimed:
    """An item in this lane's hands for the length of one transaction."""

    id: int
    position: int
    key: str
    payload_json: str
    attempts: int
    forgiven: int
    crashes: int
    available_at: Any


@dataclass(frozen=True, slots=True)
class Words:
    """A failure in words that hold no secret. `text` is `message` before numbers of cards are masked and it is cut."""

    text: str
    message: str
    code: str
    found: Classification
    secrets: Sequence[str]

    def clean(self, text: str) -> str:
        """What else the exception says."""
        return redact_shapes(replaced(text, self.secrets)) if text else text


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, as `item_failed` reports it. `final` is false when the item will be tried again.

    `words` spare receivers the work of finding them again.
    """

    item_id: int
    item_key: str
    position: int
    payload: dict[str, Any]
    attempt: int
    exception: BaseException
    code: str
    final: bool
    started_at: datetime
    finished_at: datetime
    worker: str
    words: Words | None = None


@dataclass(slots=True)
class Outcome:
    """What will be written of an item. `status` PENDING means: try again at `available_at`.

    `tried` is false when nothing ran, `forgiven` when the attempt does not count towards the limit, `remembered` when
    the result is that of an earlier doing under the same idempotency key.
    """

    item: Claimed
    status: str
    started_at: datetime
    finished_at: datetime
    result_json: str | None = None
    message: str = ""
    code: str = ""
    available_at: datetime | None = None
    tried: bool = True
    forgiven: bool = False
    remembered: bool = False
    failure: Failure | None = None


class ResultRefused(ItemError):
    """The processor's result cannot be stored."""


def encode_result(result: Any) -> str:
    """The result as JSON text; `ResultRefused` when it is not JSON, too large, or holds NaN or NUL."""
    if result is None:
        return "null"
    try:
        text = ENCODE(result)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ResultRefused(
            f"The result is not JSON: {describe(error)}", code="RESULT_NOT_JSON", category="defect"
        ) from error
    if len(text) > MAX_RESULT:
        raise ResultRefused(
            f"The result takes {len(text):,} bytes as JSON; {MAX_RESULT:,} is the limit.",
            code="RESULT_TOO_LARGE",
            category="defect",
        )
    if "\\u0000" in text or ("\\ud" in text and not encodable(result)):
        raise ResultRefused(
            "The result holds a NUL character or half a surrogate pair, which no database stores.",
            code="RESULT_NOT_JSON",
            category="defect",
        )
    return text


def encodable(value: Any) -> bool:
    """Whether all text in a JSON value is valid Unicode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def describe(exception: BaseException) -> str:
    """An exception's words, whatever it does when asked: cut to 8 KiB, storable in any database."""
    return storable(words_of(exception))


def words_of(exception: BaseException) -> str:
    """The same, not cut: whoever takes secrets out of it cuts it afterwards, never through the middle of one."""
    try:
        text = str(exception) or type(exception).__name__
    except BaseException:
        text = f"<unprintable {type(exception).__name__}>"
    if isinstance(exception, SystemExit):
        text = f"The processor called sys.exit({text if exception.args else ''})."
    return text[: 2 * MAX_MESSAGE] if len(text) > 2 * MAX_MESSAGE else text


def storable(text: str) -> str:
    """Text without NUL and lone surrogates, at most 8 KiB."""
    if len(text) <= MAX_MESSAGE and text.isascii() and "\x00" not in text:
        return text
    clean = text[:MAX_MESSAGE].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(text) <= MAX_MESSAGE else f"{clean}…"


def succeeded(item: Claimed, result: Any, started_at: datetime) -> Outcome:
    return Outcome(item, Item.Status.SUCCEEDED, started_at, now(), result_json=encode_result(result))


def skipped(item: Claimed, reason: str, started_at: datetime) -> Outcome:
    return Outcome(item, Item.Status.SKIPPED, started_at, now(), message=storable(reason))


def failed(
    item: Claimed,
    exception: BaseException,
    *,
    processor: Processor,
    max_attempts: int,
    started_at: datetime,
    worker: str,
    params: Any = None,
) -> Outcome:
    """FAILED, or PENDING with `available_at` when the failure may pass and attempts are left."""
    finished_at = now()
    payload = json.loads(item.payload_json)
    words = put_into_words(exception, explicit_code(exception), payload, params)
    found = words.found
    forgiven = found.category == "rate_limit" and item.forgiven < MOST_FORGIVEN
    attempt = item.attempts + 1
    left = forgiven or attempt - item.forgiven < max_attempts
    again = left and is_retryable(exception, processor, found.retryable, found.category)
    return Outcome(
        item,
        Item.Status.PENDING if again else Item.Status.FAILED,
        started_at,
        finished_at,
        message=words.message,
        code=found.code,
        available_at=finished_at + retry_delay(exception, attempt) if again else None,
        forgiven=forgiven and again,
        failure=Failure(
            item_id=item.id,
            item_key=item.key,
            position=item.position,
            payload=payload,
            attempt=attempt,
            exception=exception,
            code=words.code,
            final=not again,
            started_at=started_at,
            finished_at=finished_at,
            worker=worker,
            words=words,
        ),
    )


def put_into_words(exception: BaseException, code: str, *sources: Any) -> Words:
    """Secrets are taken out of every word before it is looked at any further; `sources` hold some under their keys."""
    secrets = forms_in(*sources)
    text = redact_shapes(replaced(words_of(exception), secrets))
    message = storable(redact_cards(text))
    own = redact_cards(redact_shapes(replaced(code, secrets)))[:64] if code else ""
    return Words(text, message, own, classify(exception, own, message), secrets)


def explicit_code(exception: BaseException) -> str:
    """The code the processor gave, if it raised an `ItemError` with one."""
    code = hung_on(exception, "code") if isinstance(exception, ItemError) else ""
    return storable(str(code))[:64] if isinstance(code, (str, int)) else ""


def is_retryable(exception: BaseException, processor: Processor, retryable: bool | None, category: str) -> bool:
    """The processor's word first, then its category's; a timeout is worth another try, the unknown is not."""
    if isinstance(exception, (RetryItem, *processor.retry_on)):
        return True
    said = hung_on(exception, "retryable") if isinstance(exception, ItemError) else None
    if isinstance(said, bool):
        return said
    return retryable if retryable is not None else category == "timeout"


def retry_delay(exception: BaseException, attempt: int) -> timedelta:
    """What the failure asked for (`after`, `Retry-After`, in seconds), else exponential backoff with full jitter.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    asked = hung_on(exception, "after")
    if isinstance(asked, (int, float)) and -math.inf < asked < math.inf:
        return timedelta(seconds=float(min(max(0, asked), 24 * 3600)))
    return timedelta(seconds=random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0**attempt)))  # noqa: S311
