"""Who may triage over REST."""

from __future__ import annotations

from batches.rest.permissions import MayView
from errors.rights import TRIAGE


class MayTriage(MayView):
    """Everything but reading needs the right to triage."""

    act = TRIAGE
