"""Django's admin under the portal's name."""

from django.contrib.admin import AdminSite


class PortalAdminSite(AdminSite):
    site_header = "batchportal"
    site_title = "batchportal"
    index_title = "Operations"
    site_url = None
    """No "View site": the admin is the site."""
    enable_nav_sidebar = False
