"""Where each address leads."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView


def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return HttpResponse("database unavailable", status=503, content_type="text/plain")
    return HttpResponse("ready", content_type="text/plain")


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:batches_batch_changelist")),
    path("admin/", admin.site.urls),
    path("api/", include("batches.urls")),
    path("api/", include("errors.urls")),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}portal/mark.svg")),
    path("healthz", healthz),
    path("readyz", readyz),
]
handler400 = "batchportal.api.bad_request"
handler404 = "batchportal.api.not_found"
handler500 = "batchportal.api.server_error"
