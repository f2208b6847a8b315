"""Which admin site the portal uses, and the app of its own commands."""

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks

from batchportal import plugin_apps


class PortalAdminConfig(SimpleAdminConfig):
    """Pages are imported with the addresses that lead to them (`batchportal.urls`): half of a command's start would be
    theirs."""

    default_site = "batchportal.site.PortalAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_all_pages, checks.Tags.admin)


def check_all_pages(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Django's own check, of which no page is missing."""
    admin.autodiscover()
    return check_admin_app(app_configs, **kwargs)


class PortalConfig(AppConfig):
    name = "batchportal"

    def ready(self) -> None:
        from batchportal import account_names, checks, sign_in_guard  # noqa: F401

        account_names.connect()
        sign_in_guard.connect()
        plugin_apps.import_loose_parts()
