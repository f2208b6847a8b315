"""Which admin site the portal uses, and the app of its own commands."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    default_site = "batchportal.site.PortalAdminSite"


class PortalConfig(AppConfig):
    name = "batchportal"
