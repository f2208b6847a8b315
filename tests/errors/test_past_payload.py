"""Beside an error stands the payload that failed, and what was corrected since."""

from __future__ import annotations

from typing import Any

import pytest

from errors.desk.addresses import group_url
from errors.models import ErrorGroup
from tests.helpers.fixes import download, failed_table, fix
from tests.helpers.pages import page
from tests.helpers.people import signed_in

pytestmark = pytest.mark.usefixtures("engine")


def test_it_shows_the_payload_that_failed_and_what_was_corrected_since(user_of: Any) -> None:
    batch = failed_table()
    fix(batch, download(batch, {1: {"mode": "ok"}, 2: {"mode": "ok"}}))
    shown = page(signed_in(user_of("viewer")), group_url(batch.pk, ErrorGroup.objects.get().fingerprint, tab="sample"))
    payload = shown.partition("Payload")[2].partition("Traceback")[0]
    assert "invalid" in payload
    assert "as it failed" in payload
    assert "Corrected since: mode." in payload


def test_it_says_nothing_of_corrections_where_there_are_none(user_of: Any) -> None:
    batch = failed_table()
    shown = page(signed_in(user_of("viewer")), group_url(batch.pk, ErrorGroup.objects.get().fingerprint, tab="sample"))
    assert "as it failed" not in shown
    assert "Corrected since" not in shown
