"""Where each address leads."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from batches.extensions import registered
from batches.rest.routes import route
from batchportal import health

admin.autodiscover()
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:batches_batch_changelist")),
    path("admin/", admin.site.urls),
    path("api/", include("batches.urls")),
    *(path("api/", include(extension.rest_routes)) for extension in registered() if extension.rest_routes),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}portal/mark.svg")),
    *route("healthz", health.healthz, "healthz"),
    *route("readyz", health.readyz, "readyz"),
    *route("metrics", health.Metrics.as_view(), "metrics"),
]
handler400 = "batchportal.api.bad_request"
handler404 = "batchportal.api.not_found"
handler500 = "batchportal.api.server_error"
