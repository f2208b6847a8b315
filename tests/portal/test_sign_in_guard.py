"""Guessing a password is slowed, whoever is signed in stays so, and what failed is on record."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections
from django.test import Client

from batches.models import Allowance, FailedSignIn
from tests.helpers.people import signed_in

PATH = "/admin/login/"
RIGHT = "secret-pass-word"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1)


def sign_in(name: str, password: str, address: str = "192.0.2.1", **headers: str) -> Any:
    return Client().post(PATH, {"username": name, "password": password}, REMOTE_ADDR=address, **headers)


@pytest.mark.django_db
def test_guesses_beyond_the_tenth_are_not_read_and_the_operator_goes_on(
    user_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = signed_in(user_of("operator"))
    hashed = itertools.count()
    hash_of = PBKDF2PasswordHasher.encode
    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", lambda *args, **more: (next(hashed), hash_of(*args, **more))[1])
    answers = [sign_in("operator", f"guess-{n}") for n in range(30)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 20
    assert next(hashed) == 10
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 900
    assert "Too many failed sign-ins; try again in 15 minutes." in answers[-1].content.decode()
    assert operator.get("/admin/batches/batch/").status_code == 200
    assert sign_in("operator", RIGHT).status_code == 429
    assert sign_in("operator", RIGHT, "192.0.2.2").status_code == 302
    recorded = list(FailedSignIn.objects.values_list("name", "address", "door", "locked"))
    assert recorded == [("operator", "192.0.2.1", "page", n == 0) for n in range(11)]


@pytest.mark.django_db
def test_who_signs_in_begins_anew_and_a_rest_ends(user_of: Any) -> None:
    user_of("operator")
    for _ in range(2):
        assert [sign_in("operator", "no").status_code for _ in range(9)] == [200] * 9
        assert sign_in("operator", RIGHT).status_code == 302
    assert Allowance.objects.get(key="sign-in:192.0.2.1").used == 18
    for _ in range(11):
        sign_in("operator", "no")
    assert sign_in("operator", RIGHT).status_code == 429
    Allowance.objects.update(started_ms=0)
    assert sign_in("operator", RIGHT).status_code == 302


@pytest.mark.django_db
def test_one_address_may_not_try_one_password_on_all_names(user_of: Any, settings: Any) -> None:
    settings.PORTAL_SIGN_IN_TRIES = 2
    user_of("operator")
    answers = [sign_in(f"name-{n}", "summer2026").status_code for n in range(25)]
    assert answers == [200] * 20 + [429] * 5
    assert sign_in("operator", RIGHT).status_code == 429
    assert FailedSignIn.objects.filter(name="").count() == 21


@pytest.mark.django_db
def test_it_counts_by_the_address_that_the_proxy_saw(user_of: Any, settings: Any) -> None:
    user_of("operator")
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    for n in range(12):
        sign_in("operator", "no", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}, 198.51.100.7")
    assert set(FailedSignIn.objects.values_list("address", flat=True)) == {"198.51.100.7"}
    assert sign_in("operator", RIGHT, HTTP_X_FORWARDED_FOR="198.51.100.7").status_code == 429
    assert sign_in("operator", RIGHT, HTTP_X_FORWARDED_FOR="198.51.100.8").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_crowd_of_guesses_at_once_gets_no_further(user_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    user_of("operator")

    def guess(n: int) -> int:
        try:
            return int(sign_in("operator", f"guess-{n}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(guess, range(20)))
    assert sorted(answers) == [200] * 10 + [429] * 10


@pytest.mark.django_db
def test_a_password_typed_as_a_name_is_not_kept(user_of: Any) -> None:
    sign_in("my-secret-password", "")
    sign_in("my-secret-password", "x")
    sign_in("nul\x00name", "x")
    assert set(FailedSignIn.objects.values_list("name", flat=True)) <= {""}


@pytest.mark.django_db
@pytest.mark.parametrize(("role", "answer"), [("admin", 200), ("operator", 403), ("viewer", 403)])
def test_the_record_is_for_admins(user_of: Any, role: str, answer: int) -> None:
    sign_in("operator", "no")
    assert signed_in(user_of(role)).get("/admin/batches/failedsignin/").status_code == answer
