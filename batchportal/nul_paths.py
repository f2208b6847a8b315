"""An address with a NUL in it leads nowhere: PostgreSQL takes none in a question, so no view has to look for it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponseBase

from batchportal.api import not_found


def no_nul_in_paths(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        return not_found(request, Http404()) if "\x00" in request.path_info else get_response(request)

    return middleware
