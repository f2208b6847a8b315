"""The engine's app."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    name = "batches"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from batches import checks, migrating, signals  # noqa: F401
        from batches.access import password_changes
        from batches.extensions import register
        from batches.lanes import workers
        from batches.lifecycle import deliveries, holdups
        from batches.processors.discovery import discover

        for extension in (deliveries.EXTENSION, signals.EXTENSION, holdups.EXTENSION, workers.EXTENSION):
            register(extension)
        password_changes.connect()
        migrating.connect(self)
        discover()
