"""`/api/schema`: the OpenAPI document, made once a process for everybody who asks."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix
from django.utils.translation import get_language
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from batches.rest.param_schema import any_params

MOST_KEPT = 8
"""Documents: as YAML and as JSON, in a few languages."""
_kept: dict[tuple[Any, ...], tuple[bytes, dict[str, str]]] = {}


class SchemaView(SpectacularAPIView):
    """The document as it was made for the first who asked for this form of it.

    Parameters of processors are part of what it is kept by, as their choices may come from the database. Where the
    project has the document show what the caller may do (`SERVE_PUBLIC` is false), it is made for each request.
    """

    def _get_schema_response(self, request: Request) -> HttpResponseBase:
        if not self.serve_public:
            return self.made(request)
        key = self.kept_by(request)
        if key not in _kept:
            made = self.finalize_response(request, self.made(request)).render()
            if len(_kept) >= MOST_KEPT:
                _kept.clear()
            _kept[key] = made.content, {name: made.headers[name] for name in ("Content-Type", "Content-Disposition")}
        content, headers = _kept[key]
        return HttpResponse(content, headers=headers)

    def made(self, request: Request) -> Response:
        answer: Response = super()._get_schema_response(request)  # type: ignore[no-untyped-call]
        return answer

    def kept_by(self, request: Request) -> tuple[Any, ...]:
        """What two requests have in common that are answered alike."""
        version = self.api_version or request.version or self._get_version_parameter(request)  # type: ignore[no-untyped-call]
        form = request.accepted_media_type, request.accepted_renderer.media_type
        return get_script_prefix(), get_language(), version, *form, json.dumps(any_params(), default=str)
