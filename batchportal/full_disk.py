"""A request whose body cannot be kept, as the disk for temporary files is full, is answered 507 in words.

Django keeps a body before any of its handlers runs: what goes wrong there reaches no view and no middleware.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from batches.no_room import has_no_room, what_to_free
from batches.rest.problems import CONTENT_TYPE, problem

Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


def speaking(application: Application) -> Application:
    """The application, whose requests end with words where there is no room for them."""

    async def answered(scope: Any, receive: Any, send: Send) -> None:
        begun: list[bool] = []

        async def noting(message: dict[str, Any]) -> None:
            begun.append(True)
            await send(message)

        try:
            await application(scope, receive, noting)
        except OSError as error:
            if begun or not has_no_room(error):
                raise
            headers = [(b"Content-Type", CONTENT_TYPE.encode()), (b"Cache-Control", b"private, no-store")]
            await send({"type": "http.response.start", "status": 507, "headers": headers})
            await send({"type": "http.response.body", "body": document()})

    return answered


def document() -> bytes:
    return json.dumps(problem(HTTPStatus.INSUFFICIENT_STORAGE, what_to_free(), "urn:batchportal:no-room")).encode()
