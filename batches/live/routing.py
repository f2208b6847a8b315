"""Addresses of the sockets; a slash at the end is optional, as it is for REST."""

from __future__ import annotations

from django.urls import re_path

from batches.live.consumers import ProgressConsumer

websocket_urlpatterns = [
    re_path(r"^ws/batches/(?P<batch_id>[^/]+)/progress/?$", ProgressConsumer.as_asgi()),
    re_path(r"^ws/progress/?$", ProgressConsumer.as_asgi()),
]
