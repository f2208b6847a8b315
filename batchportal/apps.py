"""Which admin site the portal uses, and the app of its own commands."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from batchportal import plugin_apps


class PortalAdminConfig(AdminConfig):
    default_site = "batchportal.site.PortalAdminSite"


class PortalConfig(AppConfig):
    name = "batchportal"

    def ready(self) -> None:
        from batchportal import account_names, checks, sign_in_guard  # noqa: F401

        account_names.connect()
        sign_in_guard.connect()
        plugin_apps.import_loose_parts()
