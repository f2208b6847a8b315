"""Wiring only; imported by nobody but the processes themselves."""

from batchportal.celery import app as celery_app

__all__ = ["celery_app"]
