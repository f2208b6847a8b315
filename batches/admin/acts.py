"""The verbs that change a batch's status, from a button or an action of a list."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from batches import operations
from batches.exceptions import BatchError
from batches.models import Batch
from batches.rights import OPERATE
from batches.wording import number_agrees, quantity, quantity_are

MESSAGES = {
    "start": "{batch} is queued: a worker picks it up now.",
    "pause": "Pausing {batch}: the worker finishes the chunk in its hands, nothing after it.",
    "resume": "{batch} goes on where it stopped.",
    "cancel": "Cancelling {batch}: what is done stays done, the rest gets no outcome.",
    "retry": "{batch}: {failed_items_are} tried again.",
    "give_up": "{batch}: {items_that_waited} failed now.",
}
"""Verb -> what happens now."""
SCRIPT_MESSAGES = {
    "pause": "Pausing {batch}: its script finishes the items in its hands, and is told.",
    "resume": "{batch} goes on when its script does.",
}
"""The same of a batch that a script drives, where it is another."""
LONGEST_REASON = 2_000  # characters


def act(verb: str, batch_id: str, request: HttpRequest, **scope: Any) -> None:
    """Call the verb's operation, and tell the person what happens now or why it was refused.

    Raises `PermissionDenied` for who may not operate.
    """
    if not request.user.has_perm(OPERATE):  # type: ignore[union-attr]
        raise PermissionDenied
    actor, reason = request.user.get_username(), request.POST.get("reason", "").strip()[:LONGEST_REASON]
    try:
        result = getattr(operations, verb)(batch_id, actor=actor, reason=reason, **scope)
    except BatchError as error:
        messages.warning(request, str(error))
    else:
        items = result if verb == "give_up" else result.items if verb == "retry" else 0
        counts = {
            "failed_items_are": quantity_are(items, "failed item"),
            "items_that_waited": f"{quantity(items, 'item')} that waited {number_agrees(items, 'has', 'have')}",
        }
        text = MESSAGES[verb]
        if isinstance(result, Batch) and result.is_ad_hoc:
            text = SCRIPT_MESSAGES.get(verb, text)
        messages.success(request, text.format(batch=batch_id, **counts))
