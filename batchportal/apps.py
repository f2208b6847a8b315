"""Which admin site the portal uses, and the app of its own commands."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from batchportal import plugin_apps


class PortalAdminConfig(AdminConfig):
    default_site = "batchportal.site.PortalAdminSite"


class PortalConfig(AppConfig):
    name = "batchportal"

    def ready(self) -> None:
        from batchportal import checks  # noqa: F401

        plugin_apps.import_loose_parts()
