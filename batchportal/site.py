"""Django's admin under the portal's name."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest


class PortalAdminSite(AdminSite):
    site_header = "batchportal"
    site_title = "batchportal"
    index_title = "Operations"
    site_url = None
    """No "View site": the admin is the site."""
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """`is_portal`: the theme is on every page, so the portal's own need not bring it."""
        return super().each_context(request) | {"is_portal": True}
