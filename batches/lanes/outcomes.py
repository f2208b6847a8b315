"""What became of one attempt of one item, and how the text of a failure is stored without its secrets."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from batches import clock
from batches.failures import Classification, Failure, FailureText
from batches.lanes.classification import attribute_of, classify
from batches.lanes.exception_groups import decisive_member, others_beside
from batches.models import Item
from batches.processors import ItemError, Processor, RetryItem
from batches.redaction import (
    SharedSources,
    forms_in,
    forms_in_payload,
    redact_cards,
    redact_result,
    redact_shapes,
    redact_text,
    replaced,
)

MAX_RESULT = 64 * 1024  # characters of JSON
MAX_MESSAGE = 8 * 1024  # characters
encode_json = json.JSONEncoder(allow_nan=False).encode
decode_json = json.JSONDecoder().raw_decode
BACKOFF_BASE, BACKOFF_CAP = 1.0, 300.0  # seconds


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

    def payload(self) -> Any:
        """A payload of the caller's own: made anew each time."""
        return decode_json(self.payload_json)[0]


def claimed_of(item: Item) -> Claimed:
    """A stored item as a claim would have given it."""
    payload = encode_json(item.payload)
    counts = (item.attempts, item.forgiven, item.crashes)
    return Claimed(item.pk, item.position, item.key, payload, *counts, item.available_at)


@dataclass(slots=True)
class Outcome:
    """What will be written of an item. `status` PENDING means: try again at `available_at`.

    `tried` is false when nothing ran, `forgiven` when the attempt does not count towards the limit, `remembered` when
    the result is that of an earlier doing under the same idempotency key. `slow_down`: for how many seconds the
    receiver of a call asked to be left alone.
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
    slow_down: float | None = None


class ResultRefused(ItemError):
    """The processor's result cannot be stored."""


def encode_result(result: Any) -> str:
    """The result as JSON text; `ResultRefused` when it is not JSON, too large, or holds NaN or NUL."""
    if result is None:
        return "null"
    try:
        text = encode_json(result)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ResultRefused(
            f"The result is not JSON: {message_of(error)}", code="RESULT_NOT_JSON", category="defect"
        ) from error
    if len(text) > MAX_RESULT:
        raise ResultRefused(
            f"The result takes {len(text):,} bytes as JSON; {MAX_RESULT:,} is the limit.",
            code="RESULT_TOO_LARGE",
            category="defect",
        )
    if "\\u0000" in text or ("\\ud" in text and not is_encodable(result)):
        raise ResultRefused(
            "The result holds a NUL character or half a surrogate pair, which no database stores.",
            code="RESULT_NOT_JSON",
            category="defect",
        )
    return text


def is_encodable(value: Any) -> bool:
    """Whether all text in a JSON value is valid Unicode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def message_of(exception: BaseException) -> str:
    """The message of an exception, whatever its `__str__` does: at most 8 KiB, storable in any database."""
    return storable(whole_message_of(exception))


def whole_message_of(exception: BaseException) -> str:
    """The message of an exception, not cut to 8 KiB: secrets are taken out first, lest one is cut in two."""
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


def succeeded(item: Claimed, result: Any, started_at: datetime, params: SharedSources) -> Outcome:
    result_json = encode_result(result)
    if result_json != "null":
        result_json = without_secrets(result_json, forms_in_payload(item.payload_json, params))
    return Outcome(item, Item.Status.SUCCEEDED, started_at, clock.machine_now(), result_json=result_json)


def without_secrets(result_json: str, secrets: Sequence[str]) -> str:
    """The result's JSON text; most hold no secret, and are left as they are."""
    for secret in secrets:
        if secret in result_json:
            return encode_json(redact_result(json.loads(result_json), secrets))
    return result_json


def skipped(item: Claimed, reason: str, started_at: datetime, params: SharedSources) -> Outcome:
    text = redact_text(reason, item.payload(), params)
    return Outcome(item, Item.Status.SKIPPED, started_at, clock.machine_now(), message=storable(text))


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
    """FAILED, or PENDING with `available_at` when the failure may pass and attempts are left; rate-limited ones do not
    count."""
    finished_at = clock.machine_now()
    payload = item.payload()
    decisive = decisive_member(exception)
    text = describe_failure(exception, explicit_code(decisive), payload, params)
    kind = text.classification
    forgiven = kind.category == "rate_limit" and kind.classified_by != "message"
    attempt = item.attempts + 1
    slow_down = (asked_delay(decisive) or timedelta(seconds=BACKOFF_BASE)).total_seconds() if forgiven else None
    attempts_left = forgiven or attempt - item.forgiven < max_attempts
    again = attempts_left and is_retryable(decisive, processor, kind)
    return Outcome(
        item,
        Item.Status.PENDING if again else Item.Status.FAILED,
        started_at,
        finished_at,
        message=text.message,
        code=kind.code,
        available_at=finished_at + retry_delay(decisive, attempt) if again else None,
        forgiven=forgiven and again,
        slow_down=slow_down,
        failure=Failure(
            item_id=item.id,
            item_key=item.key,
            position=item.position,
            payload=payload,
            attempt=attempt,
            exception=exception,
            code=text.code,
            final=not again,
            started_at=started_at,
            finished_at=finished_at,
            worker=worker,
            text=text,
        ),
    )


def describe_failure(exception: BaseException, code: str, *sources: Any) -> FailureText:
    """The text and kind of a failure; secrets go first, those that `sources` (payload, params) hold, too.

    A group of exceptions is described by its decisive member, with what else failed beside it.
    """
    secrets, decisive = forms_in(*sources), decisive_member(exception)
    own, others = whole_message_of(decisive), others_beside(exception, decisive)
    uncut = redact_shapes(replaced(f"{own}{others}", secrets))
    message = storable(redact_cards(uncut))
    own_code = redact_cards(redact_shapes(replaced(code, secrets)))[:64] if code else ""
    classification = classify(decisive, own_code, storable(own) if others else message)
    return FailureText(uncut, message, own_code, classification, secrets)


def explicit_code(exception: BaseException) -> str:
    """The code the processor gave, if it raised an `ItemError` or a `RetryItem` with one."""
    code = attribute_of(exception, "code") if isinstance(exception, (ItemError, RetryItem)) else ""
    return storable(str(code))[:64] if isinstance(code, (str, int)) else ""


def is_retryable(exception: BaseException, processor: Processor, kind: Classification) -> bool:
    """The processor's word first, then its category's; a timeout is worth another try, the unknown is not, nor is what
    only prose says."""
    if isinstance(exception, (RetryItem, *processor.retry_on)):
        return True
    own = attribute_of(exception, "retryable") if isinstance(exception, ItemError) else None
    if isinstance(own, bool):
        return own
    if kind.retryable is None:
        return kind.category == "timeout" and kind.classified_by != "message"
    return kind.retryable


def retry_delay(exception: BaseException, attempt: int) -> timedelta:
    """What the failure asked for (`after`, `Retry-After`, in seconds), else exponential backoff with full jitter.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    asked = asked_delay(exception)
    if asked is not None:
        return asked
    return timedelta(seconds=random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0**attempt)))  # noqa: S311


def asked_delay(exception: BaseException) -> timedelta | None:
    """What the failure asked for, a day at most; None if it did not."""
    seconds = attribute_of(exception, "after")
    if isinstance(seconds, (int, float)) and -math.inf < seconds < math.inf:
        return timedelta(seconds=float(min(max(0, seconds), 24 * 3600)))
    return None
