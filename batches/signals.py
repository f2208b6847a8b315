"""Django's signals of the engine, for who only wants to hear of a batch; `batches.extensions` has the other hooks."""

from __future__ import annotations

from django.dispatch import Signal

from batches.extensions import Extension
from batches.models import Batch, Milestone, Transition

batch_transitioned = Signal()
"""Sent after commit for every change of status. Arguments: `batch_id`, `from_status`, `to_status`, `reason`,
`actor`."""

milestone_reached = Signal()
"""Sent after commit, once a milestone. Arguments: `batch_id`, `milestone` (25, 50, 75 or 100), `reached_at`."""


def send_transition(transition: Transition) -> None:
    names = ("batch_id", "from_status", "to_status", "reason", "actor")
    batch_transitioned.send_robust(Batch, **{name: getattr(transition, name) for name in names})


def send_milestone(milestone: Milestone) -> None:
    names = ("batch_id", "milestone", "reached_at")
    milestone_reached.send_robust(Batch, **{name: getattr(milestone, name) for name in names})


EXTENSION = Extension(name="signals", batch_transitioned=send_transition, milestone_reached=send_milestone)
"""The signals hang in the engine as another app would."""
