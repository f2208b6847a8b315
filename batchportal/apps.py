"""Which admin site the portal uses."""

from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    default_site = "batchportal.site.PortalAdminSite"
