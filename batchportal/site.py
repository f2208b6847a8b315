"""Django's admin under the portal's name."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse

from batches.extensions import Link, registered


class PortalAdminSite(AdminSite):
    site_header = "batchportal"
    site_title = "batchportal"
    index_title = "Operations"
    site_url = None
    """No "View site": the admin is the site."""
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        batches = Link("Batches", reverse("admin:batches_batch_changelist"))
        added = [link for extension in registered() for link in extension.navigation()]
        return super().each_context(request) | {"navigation": [batches, *added]}
