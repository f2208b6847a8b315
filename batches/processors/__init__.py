"""The processor's contract and registry.

A processor is a function of one item: `process(payload, context) -> dict | None`. It raises `SkipItem`, `RetryItem` or
`ItemError` to say more than an exception would. With `many=True` it is one of all items of a chunk:
`process(payloads, contexts) -> list`. The house owns the loop.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from packaging.version import InvalidVersion, Version

from batches.exceptions import InvalidInput, UnknownProcessor
from batches.plugins import left_out
from batches.processors import parameters
from batches.processors.broken_code import named_if_it_breaks
from batches.processors.calls import Context, Rows, answers_of, result_of
from batches.processors.parameters import Given

__all__ = [
    "Context",
    "ItemError",
    "Processor",
    "RetryItem",
    "Rows",
    "SkipItem",
    "all_processors",
    "get",
    "is_version",
    "param_labels_of",
    "processor",
    "version_of",
]

OnUnknown = Literal["retry", "ask"] | Callable[[dict[str, Any]], str]
Opener = Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]

MAX_PARALLEL, MAX_QUOTA_NAME = 128, 100
MAX_CHUNK = 50  # the 65th writing savepoint of one transaction overflows PostgreSQL's subtransaction cache

LookAtRows = Callable[[Mapping[str, Any], Rows], None]


class SkipItem(Exception):
    """Nothing to do for this item; it counts as skipped, with the reason given."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class RetryItem(Exception):
    """Try this item again, after so many seconds if given, whatever its category; attempts are still limited.

    `code` and `category` say what triage would find out; attempts of the category "rate_limit" do not count.
    """

    def __init__(self, reason: str = "", *, after: float | None = None, code: str = "", category: str = "") -> None:
        super().__init__(reason or "the processor asked for a retry")
        self.after, self.code, self.category = after, code, category


class ItemError(Exception):
    """This item failed, and the processor knows why.

    `code`, `category`, `retryable` and `fingerprint` override what triage would find out; `field` (or `fields`) names
    the payload's culprit; a retry waits `after` seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        category: str = "",
        field: str = "",
        fields: tuple[str, ...] = (),
        retryable: bool | None = None,
        fingerprint: str = "",
        after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.category, self.retryable, self.fingerprint = code, category, retryable, fingerprint
        self.after = after
        self.fields = tuple(fields) or ((field,) if field else ())
        self.field = field or (self.fields[0] if self.fields else "")


@dataclass(frozen=True, slots=True)
class Processor:
    """A registered processor: its function and what it declares."""

    name: str
    function: Callable[..., Any]
    params: type[forms.Form] | None = None
    effects: Literal["database", "external"] = "database"
    checkpoint_every: int = 10
    max_attempts: int = 3
    item_timeout: float | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    can_rehearse: bool = True
    parallel: int = 8
    on_unknown: OnUnknown = "retry"
    description: str = ""
    version: str = ""
    per_worker: Opener | None = None
    per_slice: Opener | None = None
    many: bool = False
    look_at_rows: LookAtRows | None = None
    quota: str = ""

    def run_item(self, payload: dict[str, Any], context: Any) -> Any:
        """The result of one item; of a function that takes many, the one that it gives for a list of one."""
        if not self.many:
            return self.function(payload, context)
        (answer,) = answers_of(self.function([payload], [context]), 1)
        return result_of(answer)

    @property
    def is_callers(self) -> bool:
        """Whether it is the function of somebody who drives an ad hoc batch, and so has no name.

        Of his items nothing is remembered: their idempotency keys are his.
        """
        return not self.name

    @property
    def claims_as(self) -> str:
        """The status of its items in a worker's hands; a chunk's are pending until it commits."""
        return "PENDING" if self.effects == "database" else "RUNNING"

    def param_fields(self) -> dict[str, forms.Field]:
        """The fields of its form, by name; none without a form."""
        return dict(self.params().fields) if self.params else {}

    def param_labels(self) -> dict[str, str]:
        """The labels of the form's fields, as Django makes them, by the fields' names."""
        if self.params is None:
            return {}
        form = self.params()
        return {name: str(form[name].label) for name in form.fields}

    def given_params(self, params: Mapping[str, Any]) -> Given:
        """The params in JSON, with the form's `initial` where nothing was given; not cleaned yet.

        `InvalidInput` names every parameter that it does not have, or that cannot be kept.
        """
        names = list(self.param_fields())
        unknown = sorted(set(params) - set(names))
        if unknown:
            message = f"Unknown parameter; {self.name} takes: {', '.join(names) or 'none'}."
            errors = {f"params.{name}": [message] for name in unknown}
            raise InvalidInput(f"Processor {self.name} has no parameter {unknown[0]!r}.", errors)
        return parameters.completed(self.params, params)

    def clean_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The params as its form cleans them, `initial` where nothing was given; `InvalidInput` names what is wrong."""
        with named_if_it_breaks(self.name, "checked the parameters", params):
            return parameters.cleaned(self.params, self.given_params(params))


_registry: dict[str, Processor] = {}


def processor(
    name: str,
    *,
    params: type[forms.Form] | None = None,
    effects: Literal["database", "external"] = "database",
    checkpoint_every: int | None = None,
    max_attempts: int = 3,
    item_timeout: float | None = None,
    retry_on: tuple[type[BaseException], ...] = (),
    can_rehearse: bool | None = None,
    parallel: int = 8,
    on_unknown: OnUnknown = "retry",
    version: str = "",
    per_worker: Opener | None = None,
    per_slice: Opener | None = None,
    many: bool = False,
    look_at_rows: LookAtRows | None = None,
    quota: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the processor of that name; `item_timeout` in seconds, `checkpoint_every` in items.

    With `effects="external"`, up to `parallel` items of a lane run side by side, and `on_unknown` says what becomes of
    a call whose worker was lost while it was out: "retry" it under the same idempotency key, or "ask" a person; a
    function of the params may decide. `version` (as of a Python package: "2.1", "2024.11.3rc1") lets an error be
    resolved in a version: then only that one or a later one brings it back. `per_worker` and `per_slice` are functions
    without arguments that give a context manager: what it opens stands in the context, under the same name.

    With `many`, the function takes the payloads and contexts of a chunk (50 items, if nothing else is said) as two
    lists, and returns a list with an outcome for each: its result, or a `SkipItem`, `RetryItem`, `ItemError` or any
    other exception, given back and not raised. A call with such outcomes is undone, and made again without their items;
    one that raises is undone, and its items go one by one. `item_timeout` is then the limit of a call.

    `look_at_rows` is called before a batch is stored, with the cleaned params and the rows, which it may walk through:
    `InvalidInput` refuses the batch, and asks for a parameter by its errors, as in {"params.NAME": […]}.

    `quota` names what its items use up together with those of other processors; else it has one of its own name.
    `PORTAL_QUOTAS` says how large each is.
    """
    if checkpoint_every is None:
        checkpoint_every = MAX_CHUNK if many else 10
    if many and effects == "external":
        raise ValueError(
            f'{name} takes many items, which is possible with effects="database" only: what a call to the outside has '
            "done for one of them cannot be undone with the others."
        )
    if not 1 <= checkpoint_every <= MAX_CHUNK:
        raise ValueError(f"checkpoint_every is {checkpoint_every}; it must be from 1 to {MAX_CHUNK}.")
    if effects not in ("database", "external"):
        raise ValueError(f'effects is {effects!r}; it must be "database" or "external".')
    if on_unknown not in ("retry", "ask") and not callable(on_unknown):
        raise ValueError(f'on_unknown is {on_unknown!r}; it must be "retry", "ask" or a function of the params.')
    if not 1 <= parallel <= MAX_PARALLEL:
        raise ValueError(f"parallel is {parallel}; it must be from 1 to {MAX_PARALLEL}.")
    if version and not is_version(version):
        raise ValueError(f'version is {version!r}; it must be like "2", "2.1" or "2024.11.3rc1".')
    if len(quota) > MAX_QUOTA_NAME:
        raise ValueError(f"A quota's name has at most {MAX_QUOTA_NAME} characters; {quota!r} has more.")
    if max_attempts < 1:
        raise ValueError(f"max_attempts is {max_attempts}; it must be 1 or more.")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function) and many:
            raise ValueError(f"{name} is async, and takes many items: only a plain function does.")
        if inspect.iscoroutinefunction(function) and effects == "database":
            raise ValueError(f'{name} is async, which is possible with effects="external" only.')
        namesake = _registry.get(name)
        if namesake is not None and namesake.function.__module__ != function.__module__:
            raise ValueError(f"Processor {name} is registered by {namesake.function.__module__} already.")
        _registry[name] = Processor(
            name=name,
            function=function,
            params=params,
            effects=effects,
            checkpoint_every=checkpoint_every,
            max_attempts=max_attempts,
            item_timeout=item_timeout,
            retry_on=tuple(retry_on),
            can_rehearse=effects == "database" if can_rehearse is None else can_rehearse,
            parallel=parallel,
            on_unknown=on_unknown,
            description=(inspect.getdoc(function) or "").partition("\n")[0],
            version=version,
            per_worker=per_worker,
            per_slice=per_slice,
            many=many,
            look_at_rows=look_at_rows,
            quota=quota or name,
        )
        return function

    return register


def get(name: str) -> Processor:
    """The processor of that name, or `UnknownProcessor`."""
    try:
        return _registry[name]
    except KeyError:
        known = f"known: {', '.join(sorted(_registry)) or 'none'}.{left_out()}"
        told = {"processor": [f"Unknown processor; {known}"]}
        raise UnknownProcessor(f"There is no processor {name!r}; {known}", told) from None


def param_labels_of(name: str) -> dict[str, str]:
    """The labels of a processor's parameters; none of one that this process does not know."""
    return _registry[name].param_labels() if name in _registry else {}


def version_of(name: str) -> str:
    """The version that the processor of that name declares in this process; empty if it does not, or is not known."""
    return _registry[name].version if name in _registry else ""


def is_version(text: str) -> bool:
    """Whether a text is a version, so that it has its place among others."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def can_rehearse(name: str) -> bool:
    """Whether a processor of that name is known and may be rehearsed."""
    return name in _registry and _registry[name].can_rehearse


def all_processors() -> list[Processor]:
    """Every registered processor, by name."""
    return [_registry[name] for name in sorted(_registry)]
