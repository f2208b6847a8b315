"""A whole portal for the browser: web and worker as real processes on a directory of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.build.browser import MISSING, browser_path
from tests.helpers.browser import CHROMIUM_FLAGS, LONGEST_WAIT, window
from tests.helpers.portal import Portal, served

expect.set_options(timeout=LONGEST_WAIT)


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    yield from served(tmp_path_factory.mktemp("portal"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests are skipped, before a portal is started for them; under CI they fail."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if here and browser_path() is None and os.environ.get("CI") != "true":
        for item in here:
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if browser_path() is None:
        pytest.fail(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page whose console must stay clean: no error, no CSP violation."""
    context = window(chromium)
    made = context.new_page()
    complaints: list[str] = []
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    assert complaints == []
