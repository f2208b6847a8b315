"""What is masked can be asked for by no filter, in the same words whether the guess was right or wrong."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.urls import reverse

from tests.corpus.masked import RIGHT_AND_WRONG
from tests.helpers.check_rows import committed, finished
from tests.helpers.people import UserOf, client, signed_in

pytestmark = [committed, pytest.mark.full_on("postgresql")]

NESTED = {"api_key": "sesame", "list": [{"token": "abcd"}]}
ROWS = tuple({"a": n, "password": "hunter22", "nested": NESTED} for n in range(3))
DOORS = (
    "/api/batches/b1/errors/records",
    "/api/batches/b1/errors/groups",
    "/api/batches/b1/errors/export/csv?kind=detail",
    "/api/batches/b1/errors/export/json?kind=items",
)


def told(answer: Any) -> tuple[int, str]:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return answer.status_code, content.decode()


def test_it_answers_a_right_guess_as_a_wrong_one() -> None:
    finished(items=ROWS)
    visitor = client("operator")
    for (right, wrong), door in product(RIGHT_AND_WRONG, DOORS):
        answers = [told(visitor.get(door, {"field": guess})) for guess in (right, wrong)]
        assert len({text.count("required property") for _, text in answers}) == 1, (right, door)
        assert {status for status, _ in answers} in ({200}, {400}), (right, door)


@pytest.mark.parametrize("name", ["password", "Pass-Word", "nested", "api_key"])
@pytest.mark.parametrize("door", ["retry", "asides", "rehearse"])
def test_it_selects_nothing_by_a_masked_field(name: str, door: str) -> None:
    finished(items=ROWS)
    visitor = client("operator")
    answers = {
        told(visitor.post(f"/api/batches/b1/{door}", {"field": {"name": name, "value": value}}, format="json"))
        for value in ("hunter22", "x", "sesame", "[redacted]")
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 400


def test_the_desk_lists_no_group_by_a_masked_field(user_of: UserOf) -> None:
    finished(items=ROWS)
    desk = signed_in(user_of("viewer"))
    for right, wrong in RIGHT_AND_WRONG[:6]:
        pages = [desk.get(reverse("admin:errors_desk", args=["b1"]), {"field": guess}) for guess in (right, wrong)]
        assert {page.status_code for page in pages} == {200}
        assert len({page.content.decode().count("required property") for page in pages}) == 1


def test_a_container_is_one_and_neither_empty_nor_missing() -> None:
    finished(items=(*ROWS, {"nested": None}))
    visitor = client("viewer")
    found = {
        value: len(visitor.get("/api/batches/b1/errors/records", {"field": f"nested={value}"}).json()["results"])
        for value in ("null", "", "{}", "{…}", "[…]")
    }
    assert found == {"null": 1, "": 0, "{}": 0, "{…}": 3, "[…]": 0}
