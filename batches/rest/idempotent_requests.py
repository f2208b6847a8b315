"""`Idempotency-Key` on POST: the effects of a request and its remembered answer are one commit.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from batches import idempotency_manager, keys
from batches.exceptions import InvalidInput, OperationInProgress

HEADER = "Idempotency-Key"
LONGEST = 255
Post = Callable[..., Response]


def once_per_key(post: Post) -> Post:
    """Answer a repeated key with the first answer. A refusal has done nothing: it is not remembered."""

    @wraps(post)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        if HEADER not in request.headers:
            return post(view, request, *args, **kwargs)
        key, request_hash = key_of_request(request), body_hash(request)
        with transaction.atomic():
            refuse_second_doer(key)
            earlier = idempotency_manager.claim(key, request_hash)
            if earlier is not None:
                return replayed(idempotency_manager.same_request(earlier, request_hash).response)
            response = post(view, request, *args, **kwargs)
            idempotency_manager.finish(key, remembered(request, response))
        return response

    return answer


def earlier_answer(request: Request) -> Response | None:
    """The answer that the key has had already, asked before what takes long to prepare; None: none yet."""
    if HEADER not in request.headers:
        return None
    record = idempotency_manager.get_record(key_of_request(request))
    return None if record is None else replayed(idempotency_manager.same_request(record, body_hash(request)).response)


def key_of_request(request: Request) -> str:
    """One user, one address, one key; the brackets keep it apart from every key of an item."""
    key = request.headers[HEADER]
    if not key or len(key) > LONGEST or not key.isprintable():
        raise InvalidInput(
            f"An idempotency key has 1 to {LONGEST} printable characters.", {HEADER: [f"1 to {LONGEST} characters."]}
        )
    identity = json.dumps(["POST", request.user.pk, request.path.rstrip("/"), key])
    return sha256(identity.encode()).hexdigest()


def body_hash(request: Request) -> str:
    data = request.data
    body = {name: data.getlist(name) for name in data} if isinstance(data, QueryDict) else data
    return keys.request_hash(json.loads(json.dumps(body, default=file_hash)))


def file_hash(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return repr(value)
    digest = sha256()
    for block in value.chunks():
        digest.update(block)
    value.seek(0)
    return [value.name, digest.hexdigest()]


def refuse_second_doer(key: str) -> None:
    """409 at once while another transaction has the key; SQLite's single writer lets the second wait its turn."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int(key[:15], 16)])
        if not cursor.fetchone()[0]:
            raise OperationInProgress("A request with this idempotency key is being answered at this moment.")


def remembered(request: Request, response: Response) -> dict[str, Any]:
    data = json.loads(request.accepted_renderer.render(response.data))
    return {"status": response.status_code, "data": data, "headers": dict(response.headers)}


def replayed(answer: Any) -> Response:
    return Response(answer["data"], answer["status"], headers=answer["headers"] | {"Idempotent-Replayed": "true"})
