"""Django's admin under the portal's name, with lists that answer no question but their own."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest

from batches.closed_lookups import ClosedLookups


class PortalAdminSite(AdminSite):
    site_header = "batchportal"
    site_title = "batchportal"
    index_title = "Operations"
    site_url = None
    """No "View site": the admin is the site."""
    enable_nav_sidebar = False

    def register(
        self, model_or_iterable: Any, admin_class: type[ModelAdmin[Any]] | None = None, **options: Any
    ) -> None:
        """Pages of other apps get closed lookups as well: accounts, groups, tokens, and what a project adds."""
        pages = admin_class or ModelAdmin
        if not issubclass(pages, ClosedLookups):
            pages = type(pages.__name__, (ClosedLookups, pages), {"__module__": pages.__module__})
        super().register(model_or_iterable, pages, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """`is_portal`: the theme is on every page, so the portal's own need not bring it."""
        return super().each_context(request) | {"is_portal": True}
