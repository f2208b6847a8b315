"""Tokens: what is stored of them, what they open, and what ends them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from batches import operations
from batches.access.scopes import ScopedUser, allows
from batches.exceptions import InvalidInput
from batches.models import AccessToken
from tests.helpers.canaries import columns_with
from tests.helpers.check_rows import submitted
from tests.helpers.people import person

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]
PATH = "/api/batches"


def new(role: str = "viewer", **options: Any) -> operations.NewToken:
    return operations.create_token(operations.TokenRequest(person(role), **{"name": "sync", **options}), actor="tests")


def with_key(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return client


def status(key: str, path: str = PATH) -> int:
    return int(with_key(key).get(path).status_code)


def test_a_key_is_stored_nowhere_and_has_256_random_bits() -> None:
    keys = [new(name=f"n{n}").key for n in range(20)]
    assert status(keys[0]) == 200
    secrets = {key[12:] for key in keys}
    assert [len(secret) for secret in secrets] == [43] * 20
    assert columns_with(secrets) == set()
    assert all(key.startswith("bpt_") for key in keys)


def test_the_beginning_of_a_key_opens_nothing() -> None:
    key = new().key
    wrong = [key[:12], key[:-1], f"{key}x", key[:12] + "A" * 43, key.lower(), "", "é" * 55, "x" * 5_000]
    assert [status(each) for each in wrong] == [401] * len(wrong)


def test_an_account_has_several_tokens_of_different_names() -> None:
    first, second = new().key, new(name="another").key
    assert (status(first), status(second)) == (200, 200)
    with pytest.raises(InvalidInput, match="another name"):
        new(name=" sync ")
    operations.revoke_token(AccessToken.objects.get(name="sync"), actor="ana")
    assert status(new().key) == 200
    assert (status(first), status(second)) == (401, 200)


@pytest.mark.parametrize(
    ("role", "scope"), [("charlie", "viewer"), ("viewer", "operator"), ("viewer", "admin"), ("operator", "admin")]
)
def test_a_token_may_not_more_than_its_account(role: str, scope: str) -> None:
    with pytest.raises(InvalidInput, match="More than the account may"):
        new(role, scope=scope)


@pytest.mark.parametrize(("scope", "answer"), [("viewer", 403), ("operator", 404), ("admin", 404)])
def test_an_admins_token_may_what_its_scope_names(scope: str, answer: int) -> None:
    client = with_key(new("admin", scope=scope).key)
    assert client.get(PATH).status_code == 200
    assert client.post(f"{PATH}/nope/pause").status_code == answer


def test_a_token_loses_what_its_account_loses() -> None:
    key = new("operator", scope="operator").key
    person("operator").user_permissions.clear()
    assert status(key) == 403


def test_no_question_about_rights_passes_a_scope_by() -> None:
    admin = person("admin")
    user: Any = ScopedUser(admin, new("admin", scope="operator").token)
    assert isinstance(user, User)
    assert (user.pk, user.is_superuser, user.is_staff) == (admin.pk, False, False)
    assert user.has_perms(["batches.view_batch", "batches.operate_batch", "errors.triage_error"])
    assert not user.has_perms(["batches.view_batch", "auth.change_user"])
    assert not any(allows("operator", right) for right in ("auth.add_user", "batches.delete_batch"))
    every = user.get_all_permissions() | user.get_group_permissions() | user.get_user_permissions()
    assert every
    assert not any(".delete_" in right or ".change_" in right for right in every)
    assert user.has_module_perms("batches")


def test_a_limited_token_opens_batches_of_its_processors_and_nothing_else() -> None:
    submitted("b1")
    client = with_key(new("operator", scope="operator", processors=["import_rows"]).key)
    assert client.get(PATH).json()["results"] == []
    assert [each["name"] for each in client.get("/api/processors").json()] == ["import_rows"]
    assert client.get(f"{PATH}/b1").status_code == 404
    assert client.get(f"{PATH}/b1").json()["detail"] == client.get(f"{PATH}/b2").json()["detail"].replace("b2", "b1")
    assert client.get("/metrics").status_code == 403
    body = {"processor": "check_rows", "params": {"schema": "{}"}, "items": [{}], "id": "b3"}
    assert client.post(PATH, body, format="json").status_code == 403
    wide = with_key(new("operator", name="wide", scope="operator", processors=["check_rows"]).key)
    assert wide.post(PATH, body, format="json", headers={"Idempotency-Key": "k"}).status_code == 201
    assert client.post(PATH, body, format="json", headers={"Idempotency-Key": "k"}).status_code == 403
    assert {batch["id"] for batch in wide.get(PATH).json()["results"]} == {"b1", "b3"}


def test_an_expired_token_opens_nothing() -> None:
    key = new(expires_at=timezone.now() + timedelta(hours=1)).key
    assert status(key) == 200
    AccessToken.objects.update(expires_at=timezone.now())
    assert with_key(key).get(PATH).json()["detail"] == "This token is expired."
    with pytest.raises(InvalidInput, match="time to come"):
        new(name="late", expires_at=timezone.now())


def test_its_last_use_is_noted_once_a_minute(django_assert_num_queries: Any) -> None:
    key = new().key
    client = with_key(key)
    client.get("/api/processors", REMOTE_ADDR="192.0.2.7")
    token = AccessToken.objects.get()
    assert token.last_used_at is not None
    assert token.last_used_address == "192.0.2.7"
    client.get("/api/processors", REMOTE_ADDR="192.0.2.8")
    assert AccessToken.objects.get().last_used_address == "192.0.2.7"
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    client.get("/api/processors", REMOTE_ADDR="192.0.2.8")
    assert AccessToken.objects.get().last_used_address == "192.0.2.8"


def set_password(user: User) -> None:
    user.set_password("another-pass-word")
    user.save()


def close_password(user: User) -> None:
    user.set_unusable_password()
    user.save()


def write_hash(user: User) -> None:
    user.password = make_password("another-pass-word")
    user.save()


def sign_in_after_new_hasher(user: User) -> None:
    user.password = make_password("secret-pass-word", hasher="pbkdf2_sha1")
    User.objects.filter(pk=user.pk).update(password=user.password)
    assert user.check_password("secret-pass-word")
    assert not User.objects.get(pk=user.pk).password.startswith("pbkdf2_sha1")


def rename(user: User) -> None:
    user.first_name = "Ana"
    user.save()


@pytest.mark.parametrize(
    ("change", "answer"),
    [(set_password, 401), (close_password, 401), (write_hash, 401), (sign_in_after_new_hasher, 200), (rename, 200)],
)
def test_a_new_password_ends_tokens_unless_they_survive_it(change: Any, answer: int) -> None:
    user = person("viewer")
    user.set_password("secret-pass-word")
    user.save()
    mortal, lasting = new().key, new(name="lasting", survives_password_change=True).key
    change(User.objects.get(pk=user.pk))
    assert (status(mortal), status(lasting)) == (answer, 200)
    if answer == 401:
        token = AccessToken.objects.get(name="sync")
        assert (token.revoked_by, token.revoked_reason) == ("viewer", "the password of the account was changed")


def token(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("token", *arguments)
    assert ended.value.code == code


def test_the_command_line_makes_lists_and_revokes(capsys: pytest.CaptureFixture[str]) -> None:
    person("operator")
    token("create", "operator", "nightly", "--scope", "operator", "--days", "30", "--json")
    made = json.loads(capsys.readouterr().out)
    assert status(made["key"]) == 200
    token("list", "--account", "operator", "--json")
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["created_by"], listed["state"]) == ("nightly", "command line", "in force")
    assert not set(listed) & {"key", "digest"}
    token("revoke", listed["prefix"], "--reason", "left")
    assert "revoked" in capsys.readouterr().out
    assert status(made["key"]) == 401
    token("list")
    assert capsys.readouterr().out == "There are no tokens.\n"
    for arguments in (["create", "nobody", "x"], ["create", "operator", "x", "--scope", "admin"], ["revoke", "77"]):
        token(*arguments, code=2)
