"""REST routes of the engine; a trailing slash is optional."""

from __future__ import annotations

from django.urls import re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from batches import operations, views

BATCH = r"^batches/(?P<batch_id>[^/]+)"

urlpatterns = [
    re_path(r"^batches/?$", views.BatchList.as_view(), name="batches"),
    re_path(rf"{BATCH}/?$", views.BatchDetail.as_view(), name="batch"),
    re_path(rf"{BATCH}/progress/?$", views.BatchProgress.as_view(), name="batch-progress"),
    re_path(rf"{BATCH}/checkpoint/?$", views.BatchCheckpoint.as_view(), name="batch-checkpoint"),
    re_path(rf"{BATCH}/items/?$", views.ItemList.as_view(), name="batch-items"),
    re_path(rf"{BATCH}/transitions/?$", views.TransitionList.as_view(), name="batch-transitions"),
    re_path(rf"{BATCH}/start/?$", views.BatchVerb.as_view(verb=operations.start), name="batch-start"),
    re_path(rf"{BATCH}/pause/?$", views.BatchVerb.as_view(verb=operations.pause), name="batch-pause"),
    re_path(rf"{BATCH}/resume/?$", views.BatchVerb.as_view(verb=operations.resume), name="batch-resume"),
    re_path(rf"{BATCH}/cancel/?$", views.BatchVerb.as_view(verb=operations.cancel), name="batch-cancel"),
    re_path(rf"{BATCH}/retry/?$", views.BatchRetry.as_view(), name="batch-retry"),
    re_path(rf"{BATCH}/retries/(?P<number>\d+)/?$", views.RetryDetail.as_view(), name="batch-retry-detail"),
    re_path(r"^processors/?$", views.ProcessorList.as_view(), name="processors"),
    re_path(r"^schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^docs/?$", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
