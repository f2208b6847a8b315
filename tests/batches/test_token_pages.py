"""Tokens on pages: made, shown once, revoked; each person's own, and for admins all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from batches.models import AccessToken
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]
LIST = "/admin/batches/accesstoken/"
FORM = {"name": "nightly sync", "scope": "operator", "expires_at_0": "2999-01-01", "expires_at_1": "00:00:00"}


def made(client: Any, **changes: Any) -> tuple[str, Any]:
    """The key that the page after shows, and that page."""
    page = client.post(f"{LIST}add/", {**FORM, **changes}, follow=True)
    return "".join(re.findall(r"bpt_[\w-]{51}", page.content.decode())[:1]), page


def status(key: str) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return int(client.get("/api/batches").status_code)


def test_a_key_is_shown_once_and_revoked(user_of: UserOf) -> None:
    operator = signed_in(user_of("operator"))
    key, _ = made(operator)
    assert status(key) == 200
    token = AccessToken.objects.get()
    assert (token.created_by, token.user.username, token.scope) == ("operator", "operator", "operator")
    for address in (LIST, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/history/"):
        page = operator.get(address)
        assert page.status_code == 200
        assert token.name in page.content.decode()
        assert key[12:] not in page.content.decode()
    operator.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert (token.revoked_by, token.state, status(key)) == ("operator", "revoked", 401)


def test_it_offers_and_takes_no_more_than_the_account_may(user_of: UserOf) -> None:
    viewer = signed_in(user_of("viewer"))
    page = viewer.get(f"{LIST}add/").content.decode()
    assert 'value="viewer"' in page
    assert 'value="operator"' not in page
    assert 'name="user"' not in page
    for changes in ({}, {"scope": "admin"}, {"scope": "viewer", "expires_at_0": "2001-01-01"}):
        key, answer = made(viewer, **changes)
        assert (key, answer.status_code) == ("", 200)
    assert not AccessToken.objects.exists()


def test_nobody_but_an_admin_sees_or_revokes_anothers(user_of: UserOf) -> None:
    admin, operator = signed_in(user_of("admin")), signed_in(user_of("operator"))
    viewer = user_of("viewer")
    key, _ = made(admin, user=viewer.pk, scope="viewer")
    token = AccessToken.objects.get()
    assert (token.user, token.created_by) == (viewer, "admin")
    assert token.name not in operator.get(LIST).content.decode()
    assert operator.get(f"{LIST}{token.pk}/change/").status_code == 302
    operator.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    assert status(key) == 200
    key, answer = made(admin, user=viewer.pk, scope="operator", name="too much")
    assert (key, "More than the account may" in answer.content.decode()) == ("", True)
    assert admin.get(f"{LIST}{token.pk}/delete/").status_code == 200
    assert operator.get(f"{LIST}{token.pk}/delete/").status_code in (302, 403)
