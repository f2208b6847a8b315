"""The portal as it is installed by somebody who has an app of their own: `catalog`, with a model."""

from __future__ import annotations

import sys

from batchportal import settings as portal
from batchportal.settings import *  # noqa: F403
from tests.helpers.places import CATALOG

sys.path.append(str(CATALOG))

INSTALLED_APPS = [*portal.INSTALLED_APPS, "catalog"]
