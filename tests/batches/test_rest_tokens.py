"""Tokens over REST: one's own, an admin's over all, and none that makes a stronger one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from batches import operations
from batches.models import AccessToken, IdempotencyRecord
from tests.helpers.people import browser, client, person

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]
PATH = "/api/tokens"


def by_token(role: str, **options: Any) -> APIClient:
    wanted = operations.TokenRequest(person(role), **{"name": "maker", **options})
    maker = APIClient()
    maker.credentials(HTTP_AUTHORIZATION=f"Token {operations.create_token(wanted, actor='tests').key}")
    return maker


def test_it_shows_a_key_once_and_remembers_no_answer_with_it() -> None:
    operator = client("operator")
    body = {"name": "sync", "scope": "operator"}
    answer = operator.post(PATH, body, format="json", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201
    made = answer.json()
    assert made["key"].startswith(made["prefix"])
    shown = operator.get(answer.headers["Location"]).json()
    assert "key" not in shown
    assert made["key"] not in operator.get(PATH).content.decode()
    assert (shown["created_by"], shown["account"], shown["state"]) == ("operator", "operator", "in force")
    assert not IdempotencyRecord.objects.exists()
    again = operator.post(PATH, body, format="json", headers={"Idempotency-Key": "k"})
    assert (again.status_code, list(again.json()["errors"])) == (400, ["name"])


def test_it_shows_and_revokes_ones_own_and_an_admins_all() -> None:
    viewer, operator, admin = client("viewer"), client("operator"), client("admin")
    listed = {role: {row["account"] for row in each.get(PATH).json()["results"]}
              for role, each in (("viewer", viewer), ("admin", admin))}  # fmt: skip
    assert listed == {"viewer": {"viewer"}, "admin": {"viewer", "operator", "admin"}}
    assert [row["account"] for row in admin.get(f"{PATH}?account=viewer").json()["results"]] == ["viewer"]
    others = AccessToken.objects.get(user__username="viewer")
    assert operator.get(f"{PATH}/{others.pk}").status_code == operator.delete(f"{PATH}/{others.pk}").status_code == 404
    assert admin.delete(f"{PATH}/{others.pk}?reason=left").status_code == 204
    assert admin.delete(f"{PATH}/{others.pk}").status_code == 204
    assert viewer.get(PATH).status_code == 401
    shown = admin.get(f"{PATH}/{others.pk}").json()
    assert (shown["state"], shown["revoked_by"], shown["revoked_reason"]) == ("revoked", "admin", "left")


def test_only_an_admin_makes_one_for_another_account() -> None:
    person("viewer")
    body = {"name": "for her", "account": "viewer"}
    assert client("operator").post(PATH, body, format="json").status_code == 403
    made = client("admin").post(PATH, body, format="json").json()
    assert (made["account"], made["created_by"]) == ("viewer", "admin")
    for refused in ({"account": "nobody"}, {"scope": "operator"}):
        assert client("admin").post(PATH, {**body, "name": "x", **refused}, format="json").status_code == 400


def test_a_session_makes_one_with_its_csrf_token() -> None:
    tab = browser("viewer")
    assert tab.post(PATH, {"name": "tab"}, format="json").status_code == 403
    tab.cookies["csrftoken"] = token = "x" * 32
    headers = {"X-CSRFToken": token, "Origin": "http://testserver"}
    assert tab.post(PATH, {"name": "tab"}, format="json", headers=headers).status_code == 201


SOON = timezone.now() + timedelta(days=1)
STRONGER = [
    ({"scope": "operator"}, {"scope": "admin"}, "scope"),
    ({"scope": "viewer"}, {"scope": "operator"}, "scope"),
    ({"expires_at": SOON}, {}, "expires_at"),
    ({"expires_at": SOON}, {"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
    ({"processors": ["check_rows"]}, {}, "processors"),
    ({"processors": ["check_rows"]}, {"processors": ["import_rows"]}, "processors"),
    ({}, {"survives_password_change": True}, "survives_password_change"),
]


@pytest.mark.parametrize("case", range(len(STRONGER)))
def test_a_token_makes_none_that_may_more_than_itself(case: int) -> None:
    own, wanted, field = STRONGER[case]
    answer = by_token("admin", **own).post(PATH, {"name": "child", **wanted}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_weaker_token_of_an_admin_sees_only_its_accounts() -> None:
    client("viewer")
    rows = by_token("admin", scope="operator").get(PATH).json()["results"]
    assert {row["account"] for row in rows} == {"admin"}
