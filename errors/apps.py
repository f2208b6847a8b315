"""The triage app: it knows the engine, the engine does not know it."""

from django.apps import AppConfig


class ErrorsConfig(AppConfig):
    name = "errors"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from batches import extensions
        from errors.extension import EXTENSION

        extensions.register(EXTENSION)
