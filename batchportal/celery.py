"""The Celery application: `celery -A batchportal worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
app = Celery("batchportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
