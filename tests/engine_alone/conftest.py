"""Where triage is installed, these tests are none."""

from django.conf import settings

collect_ignore_glob = ["test_*.py"] if "errors" in settings.INSTALLED_APPS else []
