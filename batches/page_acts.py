"""An act that was not done says so: what a page's script posts is answered with where to go, or with why not.

A browser that follows a redirect by itself cannot tell a sign-in page from what it asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, JsonResponse

HEADER = "X-Portal-Act"


def answer_acts(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, between the one that knows who asks and the one that checks a form's token."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.method != "POST" or HEADER not in request.headers:
            return response
        if refused := why_refused(request, response):
            return JsonResponse({"why": refused}, status=401 if refused == "session" else 403)
        if 300 <= response.status_code < 400:
            answer = JsonResponse({"location": response.headers["Location"]})
            answer.cookies = response.cookies
            return answer
        return response

    return middleware


def why_refused(request: HttpRequest, response: HttpResponseBase) -> str:
    """`session`: it has ended; `right`: the person may not; `form`: the page's token is too old. Empty: it is not."""
    if not request.user.is_authenticated:
        return "session"
    if response.status_code != 403:
        return ""
    return "right" if getattr(request, "csrf_processing_done", False) else "form"


def say_not_done(request: HttpRequest, what: str) -> None:
    """Of an act that comes back as a GET: its page was posted without a session, and the sign-in led here."""
    messages.error(request, f"{what} was not done: you were signed out when you asked for it. Press it again.")
