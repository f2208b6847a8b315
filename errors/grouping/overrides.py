"""Merges and splits, followed when errors are recorded: a fingerprint counts in another group, or in a group for every
place in the code. A group's own row is its override, so that looking for one costs no statement of its own."""

from __future__ import annotations

from dataclasses import replace

from batches.lanes.outcomes import storable
from batches.models import Batch
from errors.grouping.existing_groups import GroupSnapshot, existing_groups
from errors.grouping.fingerprints import Identity, fingerprint_of, last_frame
from errors.grouping.seen_failures import SeenFailure


def follow(
    batch: Batch, failures: list[SeenFailure], groups: dict[str, GroupSnapshot]
) -> tuple[list[SeenFailure], dict[str, GroupSnapshot]]:
    """Every failure with the fingerprint of the group in which it counts; no statement where nothing was overridden.

    Both results hold what they held before, and the groups that were met on the way.
    """
    while any(groups[seen.fingerprint].is_overridden for seen in failures if seen.fingerprint in groups):
        failures = [redirected(batch.processor, seen, groups.get(seen.fingerprint)) for seen in failures]
        groups = groups | existing_groups(batch, {seen.fingerprint for seen in failures} - set(groups))
    return failures, groups


def redirected(processor: str, seen: SeenFailure, group: GroupSnapshot | None) -> SeenFailure:
    """One step: to the group it was merged into, or to its part of a group that was split."""
    if group is None or not group.is_overridden:
        return seen
    if group.merged_into:
        return replace(seen, identity=replace(seen.identity, fingerprint=group.merged_into), origin=group.id)
    return replace(seen, identity=part_of(processor, seen.identity, frame_of(seen)))


def frame_of(seen: SeenFailure) -> str:
    """The place in the code, as it stands beside the stored stack; empty for a failure without one."""
    return storable(last_frame(seen.failure.exception.__traceback__))[:200] if seen.stack else ""


def part_of(processor: str, whole: Identity, frame: str) -> Identity:
    """The part of a split group that comes from one place in the code."""
    place = frame or "no traceback"
    return Identity(
        fingerprint=fingerprint_of(processor, whole.fingerprint, frame),
        title=f"{whole.title[:390]} · {place}",
        key=f"{whole.key[:390]} @ {place}",
    )
