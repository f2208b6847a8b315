"""The pages of fix and resubmit: what they show, what they refuse, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.models import Fix, Item, Retry
from errors.desk.value_diff import parts, shared_ends
from tests.helpers.check_rows import committed, finished
from tests.helpers.pages import page
from tests.helpers.people import UserOf, signed_in

pytestmark = [committed, pytest.mark.full_on("postgresql")]


def failed(count: int = 3) -> None:
    rows = ({"name": f"<b>item {n}", "secret": f"s-{n}"} for n in range(count))
    finished(items=({"b": 1}, *rows))


def steps() -> str:
    return reverse("admin:errors_fixes", args=["b1"])


def upload(client: Any, content: str, name: str = "fix.csv") -> Any:
    return client.post(steps(), {"file": SimpleUploadedFile(name, content.encode())})


def lines(*rows: str) -> str:
    return "\n".join(["name,secret,b,_item_key", *rows]) + "\n"


def checked(operator: Client) -> str:
    """The address of the difference that a file makes: two rows corrected, one as it was."""
    answer = upload(operator, lines("<b>item 0,[redacted],5,2", "new <i>name,fresh,,3", "<b>item 2,[redacted],,4"))
    assert answer.status_code == 302
    return str(answer.url)


def test_it_leads_to_the_download_of_what_can_be_corrected(user_of: UserOf) -> None:
    failed()
    first = page(signed_in(user_of("operator")), steps())
    assert "3 failed rows can be corrected" in first
    assert reverse("admin:errors_export", args=["b1", "csv"]) + "?kind=fix" in first


def test_it_shows_the_difference_first_and_no_secret(user_of: UserOf) -> None:
    failed()
    operator = signed_in(user_of("operator"))
    shown = page(operator, checked(operator))
    assert "2 rows would be corrected, 1 says what is stored." in shown
    assert "new &lt;i&gt;name" in shown.replace("<b>", "").replace("</b>", "")
    assert "the value is hidden, and differs" in shown
    assert [secret for secret in ("s-1", "fresh") if secret in shown] == []
    assert not Retry.objects.exists()


def test_it_corrects_retries_and_says_what_became_of_it(user_of: UserOf) -> None:
    failed()
    operator = signed_in(user_of("operator"))
    difference = checked(operator)
    done = operator.post(difference, {"reason": "typed wrong"})
    assert done.url == reverse("admin:errors_retry", args=["b1", 1])
    runner.work_until_idle("b1")
    assert Item.objects.get(key="2").payload == {"name": "<b>item 0", "secret": "s-0", "b": 5}
    assert Item.objects.get(key="3").payload["secret"] == "fresh"
    assert "<b>1</b> recovered" in page(operator, difference)
    assert "1 recovered, 1 failed again" in page(operator, steps())
    assert operations.verify("b1") == []


def test_a_difference_that_is_applied_twice_is_one_retry(user_of: UserOf) -> None:
    failed()
    operator = signed_in(user_of("operator"))
    difference = checked(operator)
    assert operator.post(difference).url == operator.post(difference).url
    assert Retry.objects.count() == 1


def test_the_page_of_a_corrected_item_says_by_whom_and_no_secret(user_of: UserOf) -> None:
    failed()
    operator = signed_in(user_of("operator"))
    operator.post(checked(operator))
    corrected = page(operator, reverse("admin:batches_item_change", args=[Item.objects.get(key="3").pk]))
    assert "corrected its row, by " in corrected
    assert "fresh" not in corrected


def test_refused_rows_are_told_and_left_out_only_when_asked(user_of: UserOf) -> None:
    failed()
    operator = signed_in(user_of("operator"))
    url = upload(operator, lines("<b>item 0,[redacted],5,2", "x,y,z,77")).url
    assert "row is refused, so the file is, unless you leave it out" in page(operator, url)
    assert "The batch has no item &#x27;77&#x27;." in page(operator, url, show="refused")
    again = operator.post(url)
    assert again.status_code == 200
    assert "row 3, column" in again.content.decode()
    assert not Retry.objects.exists()
    assert operator.post(url, {"leave_out": "on"}).status_code == 302
    assert Retry.objects.get().items == 1


def test_a_file_that_cannot_be_taken_is_told_at_its_field(user_of: UserOf) -> None:
    failed()
    operator = signed_in(user_of("operator"))
    for content, told in (("name\nx\n", "_item_key"), ("", "empty"), (lines("a,b,c"), "row 2: the row has 3 fields")):
        answer = upload(operator, content)
        assert answer.status_code == 200
        assert told in answer.content.decode()
    assert not Fix.objects.exists()


def test_only_who_may_operate_uploads_and_applies(user_of: UserOf) -> None:
    failed()
    made = operations.check_fix("b1", items=[{"name": "n", "secret": "x", "b": 1, "_item_key": "2"}])
    url = reverse("admin:errors_fix", args=["b1", made.number])
    viewer, charlie = signed_in(user_of("viewer")), signed_in(user_of("charlie"))
    assert "Check the file" not in page(viewer, steps())
    assert "retry it</button>" not in page(viewer, url)
    assert (upload(viewer, lines("a,b,c,2")).status_code, viewer.post(url).status_code) == (403, 403)
    assert {charlie.get(steps()).status_code, charlie.post(url).status_code} <= {302, 403}
    assert signed_in(user_of("admin")).get(reverse("admin:errors_fix", args=["b1", 99])).status_code == 404
    assert not Retry.objects.exists()


@pytest.mark.full
def test_thousands_of_rows_come_in_pages(user_of: UserOf, django_assert_max_num_queries: Any) -> None:
    failed(120)
    rows = [f"<b>item {n},[redacted],{n},{n + 2}" for n in range(120)]
    operator = signed_in(user_of("operator"))
    url = upload(operator, lines(*rows)).url
    with django_assert_max_num_queries(25):
        shown = page(operator, url, page="3")
    assert "Page 3 of 3" in shown
    assert shown.count("data-row") == 20
    assert "20 go first; the others only if one of them recovers" in shown
    assert operator.post(url, {"canary": "on"}).status_code == 302
    assert (Retry.objects.get().canary, Retry.objects.get().state) == (20, "CANARY")


@pytest.mark.parametrize(
    ("old", "new", "cut"),
    [
        ("Berlin 10115", "Berlin 10117", (("Berlin 1011", "5", ""), ("Berlin 1011", "7", ""))),
        ("aaa", "aa", (("aa", "a", ""), ("aa", "", ""))),
        ("", "x", (("", "", ""), ("", "x", ""))),
        ("x" * 50 + "1y", "x" * 50 + "2y", (("…" + "x" * 40, "1", "y"), ("…" + "x" * 40, "2", "y"))),
    ],
)
def test_it_marks_what_differs_within_a_value(old: str, new: str, cut: Any) -> None:
    assert (parts(old, *shared_ends(old, new)), parts(new, *shared_ends(old, new))) == cut
