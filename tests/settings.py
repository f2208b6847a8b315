"""The portal as it is installed by somebody who has an app of their own: `catalog`, with a model."""

from __future__ import annotations

import sys
from pathlib import Path

from batchportal import settings as portal
from batchportal.settings import *  # noqa: F403

sys.path.append(str(Path(__file__).resolve().parent / "apps"))

INSTALLED_APPS = [*portal.INSTALLED_APPS, "catalog"]
