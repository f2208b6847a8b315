"""The engine alone, as in a project that does not install triage: `pytest --ds=tests.settings_without_errors`."""

from batchportal.settings import *  # noqa: F403
from batchportal.settings import CELERY_BEAT_SCHEDULE, INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "errors"]
CELERY_BEAT_SCHEDULE = {
    name: entry for name, entry in CELERY_BEAT_SCHEDULE.items() if not entry["task"].startswith("errors.")
}
