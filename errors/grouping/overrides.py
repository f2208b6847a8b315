"""What people said about grouping, followed when errors are recorded: this fingerprint belongs to that group, or has a
group for every place in the code. A group's own row is its override, so that finding it costs nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from batches.lanes.outcomes import storable
from batches.models import Batch
from errors.grouping.existing_groups import Known, SeenFailure, known_groups
from errors.grouping.fingerprints import Identity, hashed, last_frame

One = TypeVar("One", bound=SeenFailure)


def follow(batch: Batch, seen: list[One], known: dict[str, Known]) -> tuple[list[One], dict[str, Known]]:
    """Every failure with the fingerprint of the group in which it counts; no statement where nothing was said."""
    while any(known[one.identity.fingerprint].overridden for one in seen if one.identity.fingerprint in known):
        seen = [followed(batch.processor, one, known.get(one.identity.fingerprint)) for one in seen]
        known = known | known_groups(batch, {one.identity.fingerprint for one in seen} - set(known))
    return seen, known


def followed(processor: str, one: One, group: Known | None) -> One:
    """One step: to the group it was merged into, or to its part of a group that was split."""
    if group is None or not group.overridden:
        return one
    if group.merged_into:
        identity = replace(one.identity, fingerprint=group.merged_into)
        return replace(one, identity=identity, origin=group.id)  # type: ignore[type-var]
    return replace(one, identity=part_of(processor, one.identity, frame_of(one)))  # type: ignore[type-var]


def frame_of(one: SeenFailure) -> str:
    """As it stands beside the stored stack; what has no stack has no place."""
    return storable(last_frame(one.failure.exception.__traceback__))[:200] if one.stack else ""


def part_of(processor: str, whole: Identity, frame: str) -> Identity:
    """The part of a split group that comes from one place in the code."""
    fingerprint = hashed(processor, whole.fingerprint, frame)
    place = frame or "no traceback"
    return Identity(fingerprint, f"{whole.title[:390]} · {place}", f"{whole.key[:390]} @ {place}")
