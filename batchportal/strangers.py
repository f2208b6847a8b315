"""Who asks is known before a body is read: a stranger may send as much as a sign-in takes, and no more."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase

from batchportal.api import page_problem


def small_bodies_only(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse a larger body of who has not signed in, before CSRF's check, a parser or a view reads any of it.

    A token is REST's to look at, which does so before it reads.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if (
            length_of(request) <= settings.LARGEST_BODY_OF_STRANGERS
            or is_rest_with_token(request)
            or request.user.is_authenticated
        ):
            return get_response(request)
        if is_rest(request):
            answer = page_problem(401, "Authentication credentials were not provided.")
            answer.headers["WWW-Authenticate"] = "Token"
            return answer
        raise RequestDataTooBig("Who has not signed in may send 64 KiB.")

    return middleware


def length_of(request: HttpRequest) -> int:
    """Bytes of the body; one of unknown length may be any."""
    if "Transfer-Encoding" in request.headers:
        return settings.LARGEST_BODY_OF_STRANGERS + 1
    length = request.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0


def is_rest(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def is_rest_with_token(request: HttpRequest) -> bool:
    return is_rest(request) and "Authorization" in request.headers
