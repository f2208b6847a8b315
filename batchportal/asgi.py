"""The web process: HTTP and sockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import get_resolver, re_path  # noqa: E402

from batches.live.routing import websocket_urlpatterns  # noqa: E402
from batchportal.full_disk import speaking  # noqa: E402
from batchportal.sockets import not_found  # noqa: E402

sockets = URLRouter([*websocket_urlpatterns, re_path(r"", not_found)])  # type: ignore[arg-type]
application = ProtocolTypeRouter({"http": speaking(http), "websocket": sockets})
get_resolver().url_patterns  # noqa: B018 - pages are imported now, not while the first visitor waits
