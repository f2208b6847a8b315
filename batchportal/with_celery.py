"""Makes the portal's Celery app as soon as anything imports Celery, and not before: a process that sends no message
starts without it, 0.15 s earlier and 8 MB smaller.

An app that is made later than the first task is sent would not be found by it: hence at the import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

APP = "batchportal.celery"


class FirstImport(MetaPathFinder):
    """Finds Celery where it is, and has the app imported behind it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "celery":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_both(module: ModuleType) -> None:
                execute(module)
                import_module(APP)

            spec.loader.exec_module = execute_both  # type: ignore[method-assign]
        return spec


def make_app_with_celery() -> None:
    """For the portal's package, once."""
    if "celery" in sys.modules:
        import_module(APP)
    else:
        sys.meta_path.insert(0, FirstImport())
