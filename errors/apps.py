"""The triage app: it knows the engine, the engine does not know it."""

from django.apps import AppConfig


class ErrorsConfig(AppConfig):
    name = "errors"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from batches import extensions
        from errors import receivers  # noqa: F401
        from errors.extension import EXTENSION
        from errors.recovery import advice_from_fixes, plan_runs  # noqa: F401

        extensions.register(EXTENSION)
