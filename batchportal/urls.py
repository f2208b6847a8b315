"""Where each address leads."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView
from kombu import Connection


def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers; without broker or channel layer the portal goes on, slower, from the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return HttpResponse("database unavailable", status=503, content_type="text/plain")
    away = [
        name for name, url in (("broker", settings.CELERY_BROKER_URL), ("layer", settings.REDIS_URL)) if is_away(url)
    ]
    return HttpResponse(f"degraded: no {' and no '.join(away)}" if away else "ready", content_type="text/plain")


def is_away(url: str) -> bool:
    """A server was named and does not answer within a second or two."""
    if not urlsplit(url).hostname:
        return False
    try:
        with Connection(
            url, connect_timeout=1, transport_options={"socket_connect_timeout": 1, "socket_timeout": 1}
        ) as link:
            link.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=1)
    except Exception:  # whatever a transport raises
        return True
    return False


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
