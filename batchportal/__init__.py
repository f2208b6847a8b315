"""Wiring only; imported by nobody but the processes themselves."""

import gc

gc.set_threshold(10_000, 20, 20)  # imports alone let the collector run four hundred times, a tenth of a command's start

from batchportal.celery import app as celery_app  # noqa: E402

__version__ = "0.1.0"
__all__ = ["__version__", "celery_app"]
