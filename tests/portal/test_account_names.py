"""Names that can be taken for another's make no account; a weak password makes no administrator."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError

from batchportal.management.commands.portal_setup import Command, refuse_weak
from tests.helpers.people import signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]
CONFUSING = {
    "аdmin": "mixes letters of Cyrillic and Latin",
    "αdmin": "mixes letters of Greek and Latin",
    "ａｄｍｉｎ": "write it as admin",
    "ﬁona": "write it as fiona",
    "Operator": "taken for that of operator",
    "0perator": "taken for that of operator",
    "аса": "taken for that of aca",
    "pau1": "taken for that of paul",
}
CLEAR = ("ann", "josé", "Олег", "山田たろう", "김철수", "user_7", "a.b+c@example.com", "operators", "p")


@pytest.fixture(autouse=True)
def people() -> None:
    for name in ("operator", "aca", "paul"):
        User.objects.create_user(name)


@pytest.mark.parametrize(("name", "words"), CONFUSING.items())
def test_it_refuses_a_name_that_looks_like_another(name: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        User(username=name).save()


def test_the_page_of_a_new_account_says_so(user_of: Any) -> None:
    admin, before = signed_in(user_of("admin")), User.objects.count()
    form = {"usable_password": "true", "password1": "k7-blue-Heron", "password2": "k7-blue-Heron"}
    for name in ("аdmin", "pau1"):
        answer = admin.post("/admin/auth/user/add/", {**form, "username": name})
        assert CONFUSING[name] in answer.content.decode()
    assert User.objects.count() == before
    assert admin.post("/admin/auth/user/add/", {**form, "username": "ann"}).status_code == 302
    ann = User.objects.get(username="ann")
    answer = admin.post(f"/admin/auth/user/{ann.pk}/change/", {"username": "0perator"})
    assert CONFUSING["0perator"] in answer.content.decode()


@pytest.mark.parametrize("name", CLEAR)
def test_it_takes_names_that_can_be_read(name: str) -> None:
    assert User.objects.create_user(name).pk


def test_it_looks_at_an_old_name_only_when_it_changes(user_of: Any) -> None:
    User.objects.bulk_create([User(username="Paul")])
    old = User.objects.get(username="Paul")
    old.first_name = "P."
    old.save()
    old.username = "0perator"
    with pytest.raises(ValidationError):
        old.save()


@pytest.mark.parametrize(
    ("password", "words"), [("admin", "too short"), ("password123", "too common"), ("1" * 12, "numeric")]
)
def test_setup_refuses_a_weak_password(monkeypatch: pytest.MonkeyPatch, password: str, words: str) -> None:
    monkeypatch.setenv("PORTAL_ADMIN_PASSWORD", password)
    with pytest.raises(CommandError, match=f"PORTAL_ADMIN_PASSWORD is too weak.*{words}"):
        Command().make_admin()
    assert not User.objects.filter(username="admin").exists()
    refuse_weak("correct-horse-battery")
