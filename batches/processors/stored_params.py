"""The parameters of a batch: stored beside it as they were given, and cleaned where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.files import File
from django.db.models import Manager, Model, QuerySet

from batches.exceptions import InvalidInput, UnusableParams
from batches.models import Batch, ParameterFile
from batches.processors import Processor
from batches.processors.broken_code import named_if_it_breaks
from batches.processors.json_values import NoJsonValue
from batches.processors.parameters import Given, Params, cleaned, kept, takes_files
from batches.redaction import SharedSources, redact_text


def load(batch: Batch, processor: Processor) -> Given:
    """The parameters that the batch was given, with the contents of its files."""
    if not any(map(takes_files, processor.param_fields().values())):
        return Given(batch.params)
    rows = ParameterFile.objects.filter(batch=batch).values_list("sha256", "content")
    return Given(batch.params, {sha256: bytes(content) for sha256, content in rows})


def current(batch: Batch, processor: Processor) -> dict[str, Any]:
    """The given parameters that the processor still has; files to be read stand in place of their descriptions."""
    values = load(batch, processor).python_values()
    return {name: values[name] for name in processor.param_fields() if name in values}


def put(batch: Batch, given: Given) -> None:
    """Give the batch these parameters; `store_files` and saving the batch are the caller's."""
    batch.params, batch.params_cleaned = given.values, False


def store_files(batch: Batch, given: Given) -> None:
    """Keep the files beside the batch, which is stored already."""
    rows = [ParameterFile(batch=batch, sha256=sha256, content=content) for sha256, content in given.contents.items()]
    ParameterFile.objects.bulk_create(rows, ignore_conflicts=True)


def params_of(batch: Batch, processor: Processor) -> Params:
    """The batch's parameters, typed, for one time slice; `UnusableParams` says why the form does not take them.

    Between a submission and its run a deploy may change the form, and time what it accepts.
    """
    if batch.params_cleaned or processor.params is None:
        return Params(dict(batch.params), SharedSources((batch.params,)))
    try:
        did = "checked the batch's parameters"
        with named_if_it_breaks(batch.processor, did, batch.params, raises=UnusableParams, is_repeated=True):
            values = cleaned(processor.params, load(batch, processor))
    except UnusableParams:
        raise
    except InvalidInput as refused:
        problem = f"The form of processor {batch.processor} does not take the batch's parameters any more: {refused}"
        raise UnusableParams(redact_text(problem, batch.params), refused.errors) from None
    given = {name: value for name, value in values.items() if not is_lazy(value)}
    return Params(values, SharedSources((batch.params, given)))


def is_lazy(value: Any) -> bool:
    """Whether a value would have to be read first, from the database or a file."""
    return isinstance(value, (File, Manager, Model, QuerySet))


# -- what makes two submissions the same -------------------------------------------------------------------------------


def comparable(
    processor: Processor, params: Mapping[str, Any], given: Given, values: Mapping[str, Any]
) -> dict[str, Any]:
    """What two submissions share if their parameters come to the same, whichever door they took.

    `values` are the cleaned ones; a default that is worked out anew each time counts only where it was given.
    """
    fields = processor.param_fields()
    same: dict[str, Any] = {}
    for name, value in values.items():
        is_default = name not in params and callable(fields[name].initial)
        same[name] = None if is_default else canonical(fields[name], value, given.values.get(name))
    return same


def canonical(form_field: Any, value: Any, given: Any) -> Any:
    """The JSON of a cleaned value; of one that has none, what was given."""
    try:
        plain = kept(form_field, value, {})
    except NoJsonValue:
        return given
    return sorted(plain, key=str) if isinstance(value, QuerySet) else plain
