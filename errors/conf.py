"""What triage needs of a project's settings module; the settings themselves are in `batches.conf`."""

from __future__ import annotations

from typing import Any

from batches.conf import once_an_hour

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "errors-sweep": {"task": "errors.tasks.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "errors-clean-up": {"task": "errors.tasks.clean_up", "schedule": once_an_hour(minute=23)},
}
"""What Celery's beat does for triage."""
