"""Submit: check everything, then write the batch and all its items in one transaction, or nothing."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePath
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches import processors, unfinished
from batches.clients import stays
from batches.conf import settings
from batches.exceptions import BatchConflict, ClientLeft, InvalidInput
from batches.intake import ingest
from batches.intake.readers import Reader, options_of
from batches.intake.readers.base import FileReader
from batches.intake.source_reports import source_report
from batches.intake.staging import staged
from batches.isolation.time_limits import longest_item_timeout
from batches.lanes import leases
from batches.lifecycle import removals, transitions
from batches.models import BATCH_ID, Batch
from batches.operations.sources import opened, read_source
from batches.processors import Processor, parameters, stored_params
from batches.processors.broken_code import named_if_it_breaks
from batches.processors.parameters import Given
from batches.redaction import is_secret, redact_shapes, redact_values

OPTIONS = (
    *("concurrency", "checkpoint_every", "rate", "max_attempts", "item_timeout", "max_errors", "max_error_rate"),
    *("rate_limit_attempts", "rate_limit_seconds", "priority", "start_at"),
)


@dataclass(frozen=True, slots=True)
class Submission:
    """The batch, and whether this call created it (an equal one under the same id may have stood there already)."""

    batch: Batch
    created: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked batch that is not stored yet, what it was given, and the cleaned `params`; `comparable_params` tell it
    from another."""

    batch: Batch
    given: Given
    params: dict[str, Any]
    comparable_params: dict[str, Any]


def submit(
    *,
    processor: str,
    params: Mapping[str, Any] | None = None,
    file: BinaryIO | Reader | None = None,
    filename: str = "",
    items: Iterable[Mapping[str, Any]] | None = None,
    queryset: QuerySet[Any] | None = None,
    key_column: str = "",
    encoding: str = "",
    file_options: Mapping[str, Any] | None = None,
    batch_id: str = "",
    name: str = "",
    concurrency: int | None = None,
    checkpoint_every: int | None = None,
    rate: float | None = None,
    max_attempts: int | None = None,
    item_timeout: float | None = None,
    max_errors: int | None = None,
    max_error_rate: float | None = None,
    rate_limit_attempts: int | None = None,
    rate_limit_seconds: float | None = None,
    priority: str | None = None,
    start_at: datetime | None = None,
    actor: str = "",
    user: Any = None,
    has_left: Callable[[], bool] = stays,
) -> Submission:
    """Store a batch and its items; it waits as PENDING for `start`.

    `rate` is in items a second over all lanes, `priority` high, normal or low, `item_timeout` in seconds,
    `max_error_rate` in percent; `file_options` says how the file is to be read where it would be read wrongly
    (`batches.intake.readers.FileOptions`). Raises `InvalidInput` (and its kinds `InputRefused`, `UnknownProcessor`)
    with nothing written, and `BatchConflict` when the id belongs to a batch with other content; the same content again
    answers the batch that is there; `OperationInProgress` while it is being stored. `file` may have been read already,
    by `read_source`. `ClientLeft`: the sender `has_left` before all was stored, so nothing is.
    """
    refuse_masked_key(key_column)
    runs = processors.get(processor)
    values = (
        *(concurrency, checkpoint_every, rate, max_attempts, item_timeout, max_errors, max_error_rate),
        *(rate_limit_attempts, rate_limit_seconds, priority, start_at),
    )
    options = {option: value for option, value in zip(OPTIONS, values, strict=True) if value is not None}
    batch = drafted(runs, chosen_id(batch_id, name, filename, processor), name, shown_filename(filename), options, user)
    draft = checked(batch, runs, params or {})
    reading = options_of({"encoding": encoding, **(file_options or {})})
    reader = opened(file, filename, items, queryset, reading, key_column)
    if runs.look_at_rows is not None:
        with named_if_it_breaks(runs.name, "looked at the rows", params or {}):
            runs.look_at_rows(draft.params, reader)

    def write() -> None:
        store(draft, reader, key_column, actor)
        refuse_left(batch, has_left)

    def is_same(earlier: Batch) -> bool:
        return bool(earlier.fingerprint) and earlier.fingerprint == fingerprint_of(draft, reader, key_column)

    with staged(reader, key_column, batch.pk):
        return stored_once(batch, write, is_same, "with other content")


def stored_once(
    batch: Batch, write: Callable[[], None], is_same: Callable[[Batch], bool], difference: str
) -> Submission:
    """Write the batch and all that belongs to it, or nothing; the batch that stands under its id already, if it
    `is_same`.

    Raises `BatchConflict` for one that is not, naming the `difference`.
    """
    try:
        with transaction.atomic():
            write()
        return Submission(batch, created=True)
    except IntegrityError:
        earlier = Batch.objects.filter(pk=batch.pk).first()
        if earlier is None:
            unfinished.refuse(batch.pk)
            raise
    if is_same(earlier):
        return Submission(earlier, created=False)
    remedy = "Choose another id, or leave it empty: then one is chosen."
    raise BatchConflict(f"Batch {batch.pk} exists {difference}. {remedy}")


def refuse_masked_key(column: str) -> None:
    """Items are called by their keys on every page, in every export and in addresses."""
    if is_secret(column):
        message = f"{column} is masked: it cannot name the items, as everybody sees their names."
        raise InvalidInput(f"key_column: {message}", {"key_column": [message]})


def drafted(
    processor: Processor, batch_id: str, name: str, filename: str, options: Mapping[str, Any], user: Any
) -> Batch:
    """The batch of a submission; not checked and not stored yet."""
    batch = Batch(
        id=batch_id,
        name=name or PurePath(filename).name[:200],
        processor=processor.name,
        checkpoint_every=processor.checkpoint_every,
        max_attempts=processor.max_attempts,
        item_timeout=processor.item_timeout or settings.PORTAL_ITEM_TIMEOUT,
        created_by=user if user is not None and user.is_authenticated else None,
    )
    for option, value in options.items():
        setattr(batch, option, value)
    refuse_bad_start(batch.start_at)
    return batch


SAY_ITS_ZONE = "Say its zone, as in 2026-11-28T02:00+01:00."


def refuse_bad_start(at: datetime | None) -> None:
    """`InvalidInput` for a time without its zone, or one that is over."""
    problem = ""
    if at is not None and timezone.is_naive(at):
        problem = SAY_ITS_ZONE
    elif at is not None and at <= timezone.now():
        problem = "It lies in the past."
    if problem:
        raise InvalidInput(f"start_at: {problem}", {"start_at": [problem]})


def checked(batch: Batch, processor: Processor, params: Mapping[str, Any]) -> Draft:
    """The batch with its parameters; `InvalidInput` names every option and every parameter that is wrong."""
    errors: list[InvalidInput] = []
    try:
        refuse_bad_options(batch)
    except InvalidInput as error:
        errors.append(error)
    try:
        with named_if_it_breaks(processor.name, "checked the parameters", params):
            given = processor.given_params(params)
            values = parameters.cleaned(processor.params, given)
    except InvalidInput as error:
        errors.append(error)
    if errors:
        raise InvalidInput(str(errors[0]), {place: texts for error in errors for place, texts in error.errors.items()})
    stored_params.put(batch, given)
    return Draft(batch, given, values, stored_params.comparable(processor, params, given, values))


def refuse_bad_options(batch: Batch) -> None:
    """`InvalidInput` names every field of the batch that its checks do not pass."""
    errors: dict[str, list[str]] = {}
    try:
        batch.clean_fields(exclude=["params", "source", "created_by", "follows", "fingerprint", "params_cleaned"])
    except ValidationError as error:
        errors = {field: [str(m) for m in messages] for field, messages in error.message_dict.items()}
    if "item_timeout" not in errors and batch.item_timeout >= longest_item_timeout():
        bound = f"{longest_item_timeout():g} s (PORTAL_IDLE_SECONDS, two thirds of the lease unless set)"
        errors["item_timeout"] = [f"Must be less than {bound}; raise PORTAL_LEASE_SECONDS."]
    if errors:
        field, messages = next(iter(errors.items()))
        raise InvalidInput(f"{field}: {messages[0]}", errors)


def shown_filename(filename: str) -> str:
    """Without its folder, and without what it says that is secret."""
    return redact_shapes(redact_values(PurePath(filename).name))


def chosen_id(batch_id: str = "", name: str = "", filename: str = "", processor: str = "", **others: Any) -> str:
    """The id of a submission with these arguments, of which the first that says something counts."""
    return batch_id or proposed_id(name or shown_filename(filename) or processor)


def proposed_id(name: str, ending: str = "") -> str:
    """A readable id: words of the name, and an ending, by default one that is free."""
    words = re.sub(r"[^a-z0-9]+", "-", PurePath(name).stem.lower()).strip("-")[:40] or "batch"
    return f"{words}-{ending or free_ending()}"


def free_ending() -> str:
    """The day and six random digits."""
    return f"{timezone.now():%Y%m%d}-{secrets.token_hex(3)}"


def refuse_left(batch: Batch, has_left: Callable[[], bool]) -> None:
    """Asked last, within the transaction that stores the batch."""
    if has_left():
        raise ClientLeft(f"Batch {batch.pk} was not stored: its sender has left meanwhile.")


def store(draft: Draft, reader: Any, key_column: str, actor: str) -> None:
    """Write batch, items, lanes and the first line of history; the caller's transaction makes it all or nothing."""
    batch = draft.batch
    unfinished.insert(batch, reader.staged.batch if reader.staged else None)
    removals.refuse_deleted_id(batch.pk)
    stored_params.store_files(batch, draft.given)
    batch.total_items = ingest.store_items(batch, reader, key_column=key_column)
    report = source_report(reader) | {"key_column": key_column}
    batch.source = report if "columns" in report else batch.source | report
    batch.fingerprint = fingerprint_of(draft, reader, key_column)
    note_earlier_run(batch)
    batch.save(update_fields=["total_items", "source", "fingerprint"])
    leases.ensure_lanes(batch)
    transitions.record(batch, "submit", "", Batch.Status.PENDING, actor=actor)
    ingest.analyze(batch.total_items)


def note_earlier_run(batch: Batch) -> None:
    """The same rows ran before, as another batch: to do so again may be meant, or a slip."""
    same = Batch.objects.filter(processor=batch.processor, fingerprint=batch.fingerprint).exclude(pk=batch.pk)
    if earlier := same.order_by("-created_at").only("pk", "created_at").first():
        when = f"{earlier.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        note = f"The same rows were submitted before, as {earlier.pk} on {when}."
        batch.source["notes"] = [*batch.source.get("notes", ()), note]


def fingerprint_of(draft: Draft, reader: Any, key_column: str) -> str:
    """sha256 over what makes a submission the same: processor, params, key column and the items themselves."""
    distinguishing = [draft.batch.processor, draft.comparable_params, key_column]
    if isinstance(reader, FileReader) and (given := reader.options.given()):
        distinguishing.append(given)
    settings_text = json.dumps(distinguishing, sort_keys=True)
    return sha256(f"{settings_text}\n{reader.fingerprint()}".encode()).hexdigest()


__all__ = ["BATCH_ID", "Submission", "chosen_id", "free_ending", "proposed_id", "read_source", "staged", "submit"]
