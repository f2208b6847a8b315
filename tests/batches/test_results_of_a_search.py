"""Lists speak of results, and offer to show all, only where something was searched or filtered."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.helpers.batches import modes, ran
from tests.helpers.pages import content, page
from tests.helpers.people import UserOf, signed_in

pytestmark = pytest.mark.usefixtures("engine")
LISTS = ("batches_item", "errors_errorrecord", "batches_removal", "batches_delivery", "batches_failedsignin")


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_nobody_searched_has_no_results(name: str, user_of: UserOf) -> None:
    ran(modes("ok", "invalid"))
    client, url = signed_in(user_of("admin")), reverse(f"admin:{name}_changelist")
    assert "Show all" not in content(page(client, url))


def test_a_list_that_was_searched_has(user_of: UserOf) -> None:
    ran(modes("ok", "invalid"))
    url = reverse("admin:errors_errorrecord_changelist")
    searched = content(page(signed_in(user_of("admin")), f"{url}?q=nothing-like-it"))
    assert "0 results" in searched
    assert "Show all" in searched
