"""Wiring only; imported by nobody but the processes themselves."""

import gc

gc.set_threshold(10_000, 20, 20)  # imports alone let the collector run four hundred times, a tenth of a command's start

from batchportal.with_celery import make_app_with_celery  # noqa: E402

make_app_with_celery()
__version__ = "0.1.0"
__all__ = ["__version__"]
