"""Finds processors: the built-in ones, those of installed apps, of PORTAL_PROCESSORS and of entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from batches.conf import settings
from batches.plugins import guarded
from batches.processors import _registry

ENTRY_POINTS = "batchportal.processors"
BUILT_IN = ("batches.processors.check_rows", "batches.processors.http_request", "batches.processors.import_rows")


def discover() -> None:
    """Import what registers processors; what breaks is left out, and the rest goes on."""
    for module in BUILT_IN:
        import_module(module)
    for module in settings.PORTAL_PROCESSORS:
        join_in(module, "PORTAL_PROCESSORS", partial(import_module, module))
    for app in apps.get_app_configs():
        discover_in(app)
    for entry_point in entry_points(group=ENTRY_POINTS):
        join_in(entry_point.value, f"entry point {entry_point.name} of {ENTRY_POINTS}", entry_point.load)


def discover_in(app: AppConfig) -> None:
    """Import the `processors` module of an app that has one."""
    if module_has_submodule(app.module, "processors"):
        name = f"{app.name}.processors"
        join_in(name, "INSTALLED_APPS", partial(import_module, name))


def join_in(name: str, source: str, load: Callable[[], Any]) -> None:
    """Import one module under a guard; of one that breaks halfway no processor stays."""
    with guarded(name, source), whole_or_nothing():
        load()


@contextmanager
def whole_or_nothing() -> Iterator[None]:
    """If it raises inside, no processor stays that was registered there."""
    before = dict(_registry)
    try:
        yield
    except BaseException:
        _registry.clear()
        _registry.update(before)
        raise


def forget(app: str) -> None:
    """Take out the processors that an app has registered."""
    for name, processor in list(_registry.items()):
        if processor.function.__module__.startswith(f"{app}."):
            del _registry[name]
