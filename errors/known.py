"""What recording works on: a failure as it was seen, and a group as the chunk found it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Exists, OuterRef

from batches.classification import Classification
from batches.models import Batch
from batches.outcomes import Failure
from errors.fingerprints import Identity
from errors.models import BatchGroup, ErrorGroup

State = ErrorGroup.State


class SeenFailure(Protocol):
    """What is counted: a failure with its words, kind and identity."""

    @property
    def failure(self) -> Failure: ...
    @property
    def error_type(self) -> str: ...
    @property
    def found(self) -> Classification: ...
    @property
    def identity(self) -> Identity: ...
    @property
    def stack(self) -> str: ...
    @property
    def origin(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A group as the chunk found it."""

    id: int
    state: str
    last_seen: datetime
    resolved_at: datetime | None
    resolved_in: str
    ignored_at: datetime | None
    until: dict[str, Any]
    merged_into: str | None
    by_place: bool
    in_batch: bool

    @property
    def overridden(self) -> bool:
        """Whether its errors count elsewhere."""
        return self.by_place or self.merged_into is not None

    @property
    def may_change(self) -> bool:
        """Whether an error can bring it back."""
        return self.state == State.RESOLVED or (self.state == State.IGNORED and bool(self.until))


COLUMNS = (
    *("pk", "state", "last_seen", "resolved_at", "resolved_in", "ignored_at", "until"),
    *("merged_into__fingerprint", "by_place", "in_batch"),
)


def known_groups(batch: Batch, fingerprints: Collection[str]) -> dict[str, Known]:
    """The groups of these fingerprints, as far as there are any."""
    here = BatchGroup.objects.filter(batch=batch, group=OuterRef("pk"))
    rows = ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in=fingerprints).order_by()
    found = rows.annotate(in_batch=Exists(here)).values_list("fingerprint", *COLUMNS)
    return {fingerprint: Known(*row) for fingerprint, *row in found}
