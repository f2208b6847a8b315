"""A real web process on the tests' database, and real sockets to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.sockets import Web, serving


@pytest.fixture(scope="session")
def web(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    """Without a channel layer, as the portal comes."""
    yield from serving({})
