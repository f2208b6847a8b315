"""Whatever shows data is kept by nobody on its way, nor by the browser."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

NOT_KEPT = "private, no-store"


def no_store(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Every answer of a view says `Cache-Control: private, no-store`; static files, served before, have their own."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers["Cache-Control"] = NOT_KEPT
        return response

    return middleware
