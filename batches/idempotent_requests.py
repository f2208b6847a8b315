"""`Idempotency-Key` on POST: the same key and body answer the first response again, for 24 hours.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.exceptions import IdempotencyConflict, InvalidInput, OperationInProgress
from batches.keys import TTL
from batches.models import IdempotencyRecord

State = IdempotencyRecord.State
LONGEST = 255


def remember_response(request: Request, act: Callable[[], Response]) -> Response:
    """Act once for the request's key. A refusal (any exception) is not remembered, and frees the key."""
    given = request.headers.get("Idempotency-Key", "")
    if not given:
        return act()
    if len(given) > LONGEST:
        raise InvalidInput(f"The Idempotency-Key is longer than {LONGEST} characters.")
    key = sha256(f"http:{request.user.pk}:{request.path.rstrip('/')}:{given}".encode()).hexdigest()
    asked = body_hash(request)
    known = claim(key, asked)
    if known is not None:
        return replay(known, asked)
    try:
        response = act()
    except BaseException:
        IdempotencyRecord.objects.filter(key=key, state=State.IN_PROGRESS).delete()
        raise
    kept = {"status": response.status_code, "data": json.loads(json.dumps(response.data, default=str))}
    location = response.headers.get("Location")
    IdempotencyRecord.objects.filter(key=key).update(
        state=State.DONE, response=kept | ({"location": location} if location else {}), expires_at=timezone.now() + TTL
    )
    return response


def claim(key: str, asked: str) -> IdempotencyRecord | None:
    """Own the key (None), or the record of whoever did before. The primary key decides a race."""
    now = timezone.now()
    IdempotencyRecord.objects.filter(key=key, expires_at__lte=now).delete()
    IdempotencyRecord.objects.filter(key=key, state=State.IN_PROGRESS, created_at__lte=now - TTL).delete()
    try:
        with transaction.atomic():
            IdempotencyRecord.objects.create(key=key, request_hash=asked, state=State.IN_PROGRESS, created_at=now)
    except IntegrityError:
        return IdempotencyRecord.objects.get(key=key)
    return None


def replay(known: IdempotencyRecord, asked: str) -> Response:
    if known.request_hash != asked:
        raise IdempotencyConflict("This Idempotency-Key was used before with another body.")
    if known.state != State.DONE:
        raise OperationInProgress("The first request with this Idempotency-Key is still being worked on.")
    kept: dict[str, Any] = known.response
    headers = {"Idempotent-Replayed": "true"} | ({"Location": kept["location"]} if "location" in kept else {})
    return Response(kept["data"], status=kept["status"], headers=headers)


def body_hash(request: Request) -> str:
    """sha256 of the body's meaning: JSON by value, a form by its fields and its files' content."""
    data = request.data
    if not hasattr(data, "lists"):
        return sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
    digest = sha256()
    for name, values in sorted(data.lists()):
        for value in values:
            digest.update(f"{name}=".encode())
            if hasattr(value, "chunks"):
                for block in value.chunks():
                    digest.update(block)
                value.seek(0)
            else:
                digest.update(str(value).encode("utf-8", "replace"))
    return digest.hexdigest()
