"""`/healthz`, `/readyz` and `/metrics` for who asks from within: by any name of the host, and without TLS.

Load balancers and monitoring systems call a process by its address. Their answers name no host and build no address, so
the check of `Host` guards nothing there; a redirect to https:// would be taken for an answer.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.middleware.common import CommonMiddleware

PROBES = ("/healthz", "/readyz", "/metrics")


class HostCheck(CommonMiddleware):
    """Django's checks of what is asked, its `Host` first; probes are asked nothing."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:  # type: ignore[override]
        return None if request.path_info.removesuffix("/") in PROBES else super().process_request(request)
