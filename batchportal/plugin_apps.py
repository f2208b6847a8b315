"""Django apps of others, named by PORTAL_APPS or by the entry point group `batchportal.apps`.

Their models, migrations, admin and processors join the portal without a settings module. A broken app is left out
whole, and stops nothing else.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from django.apps import AppConfig, apps

from batches.plugins import guarded

ENTRY_POINTS = "batchportal.apps"
LOOSE_PARTS = ("admin", "processors", "tasks", "templatetags", "migrations")
"""What Django, Celery and the portal import of an app sooner or later, without a guard."""

_sources: dict[str, str] = {}
"""By the name of each plugged-in app, where it was named."""


def plugged_in(names: Iterable[str]) -> list[AppConfig]:
    """Of the apps of these names, and of those installed with an entry point, the ones that can be set up."""
    sources = dict.fromkeys(names, "PORTAL_APPS")
    for entry_point in entry_points(group=ENTRY_POINTS):
        sources.setdefault(entry_point.value.replace(":", "."), f"entry point {entry_point.name} of {ENTRY_POINTS}")
    configs: dict[str, AppConfig] = {}
    for name, source in sources.items():
        with guarded(name, source):
            config = AppConfig.create(name)
            configs.setdefault(config.name, config)
            _sources.setdefault(config.name, source)
    for config in configs.values():
        for step in ("import_models", "ready"):
            setattr(config, step, partial(attempt, config, getattr(config, step)))
    return list(configs.values())


def import_loose_parts() -> None:
    """Import the rest of each app before Django does; its models are there."""
    for config in [config for config in apps.get_app_configs() if config.name in _sources]:
        attempt(config, partial(import_all, config))


def attempt(config: AppConfig, step: Callable[[], Any]) -> None:
    """One step of an app's start; if it raises, the app is taken out."""
    with guarded(config.name, _sources[config.name]):
        try:
            step()
        except BaseException:
            take_out(config)
            raise


def import_all(config: AppConfig) -> None:
    from batches.processors.discovery import whole_or_nothing  # as in take_out

    parts = [part for part in submodules(config.name) if part.rpartition(".")[2] in LOOSE_PARTS]
    with whole_or_nothing():
        for part in parts:
            for name in (part, *submodules(part)):
                import_module(name)


def submodules(name: str) -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(getattr(import_module(name), "__path__", ()), f"{name}."))


def take_out(config: AppConfig) -> None:
    """As if the app had not been named: its models, pages and processors are gone."""
    apps.app_configs = {label: other for label, other in apps.app_configs.items() if other is not config}
    apps.clear_cache()
    vars(config)["ready"] = lambda: None  # Django's loop over the apps that it began with still comes to it
    if apps.models_ready:
        # Before that these modules cannot be imported, and an app has neither.
        from django.contrib import admin

        from batches.processors.discovery import forget

        for model in [model for model in admin.site._registry if model._meta.app_label == config.label]:
            admin.site.unregister(model)
        forget(config.name)
