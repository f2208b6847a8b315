"""The OpenAPI document tells the truth: what it promises is what the routes do, whatever is sent to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.core.wsgi import get_wsgi_application
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, given, settings

from batches import processors
from batches.rest import schema_view
from tests.helpers.check_rows import committed, finished
from tests.helpers.people import client

pytestmark = [pytest.mark.any_database, pytest.mark.django_db, pytest.mark.filterwarnings("ignore")]
OPENAPI = {"Accept": "application/vnd.oai.openapi+json"}
SHARES = 10
REPEATABLE = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
UNTOLD = ("positive_data_acceptance", "unsupported_method", "ignored_auth")
"""Not every rule can be told in a schema: a verb may be illegal now, a processor unknown. Rights have a test apart."""


def described() -> dict[str, Any]:
    answer: dict[str, Any] = client("viewer").get("/api/schema", headers=OPENAPI).json()
    return answer


def routes() -> Any:
    """The described routes, below them the real ones; the batch is b1, or one that does not exist."""
    content = described()
    operations = (operation for path in content["paths"].values() for operation in path.values())
    for parameter in (parameter for operation in operations for parameter in operation.get("parameters", ())):
        if parameter["name"] == "batch_id":
            parameter["schema"] = {"type": "string", "enum": ["b1", "nope"]}
    import schemathesis  # a second of whoever runs this, not of whoever collects it

    found = schemathesis.openapi.from_dict(content)
    found.app = get_wsgi_application()
    return found


@pytest.mark.full
@committed
def test_it_does_what_the_document_says() -> None:
    check_operations(slice(None), "operator", examples=3)


@committed
@pytest.mark.full
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("role", ["anonymous", "viewer", "operator"])
def test_it_does_what_the_document_says_however_and_by_whom_it_is_called(role: str, share: int) -> None:
    check_operations(slice(share, None, SHARES), role, examples=25)


def check_operations(share: slice, role: str, examples: int) -> None:
    finished()
    credentials = client(role)._credentials
    headers = {"Authorization": credentials["HTTP_AUTHORIZATION"]} if credentials else {}
    for result in list(routes().get_all_operations())[share]:
        check(result.ok(), headers, examples)


def check(operation: Any, headers: dict[str, str], examples: int) -> None:
    from schemathesis import checks  # as above

    untold = [getattr(checks, name) for name in UNTOLD]

    @given(case=operation.as_strategy())
    @settings(REPEATABLE, max_examples=examples)
    def calls(case: Any) -> None:
        case.call_and_validate(headers=headers, excluded_checks=untold)

    calls()


def test_it_describes_each_route_once_without_a_slash() -> None:
    paths = described()["paths"]
    assert "/api/batches/{batch_id}/retries/{number}" in paths
    assert not [path for path in paths if path.endswith("/")]


def test_it_describes_the_parameters_of_every_processor() -> None:
    params = described()["components"]["schemas"]["ItemsSubmission"]["properties"]["params"]["anyOf"]
    assert [found["title"] for found in params] == [found.name for found in processors.all_processors()]
    (checker,) = [found for found in params if found["title"] == "check_rows"]
    assert checker["required"] == ["schema"]
    assert checker["properties"]["schema"]["type"] == "string"


def test_it_describes_problems_and_the_idempotency_key() -> None:
    submit = described()["paths"]["/api/batches"]["post"]
    assert list(submit["responses"]["default"]["content"]) == ["application/problem+json"]
    assert "Idempotency-Key" in [parameter["name"] for parameter in submit["parameters"]]


@pytest.mark.full
def test_it_is_made_once_and_again_for_other_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = SchemaGenerator.get_schema
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *args, **named: made.append(1) or make(*args, **named))
    schema_view._kept.clear()
    first = client("viewer").get("/api/schema", headers=OPENAPI)
    again = client("operator").get("/api/schema", headers=OPENAPI)
    assert (again.content, again.headers["Content-Type"]) == (first.content, first.headers["Content-Type"])
    assert len(made) == 1
    assert client("viewer").get("/api/schema").headers["Content-Type"].startswith("application/vnd.oai.openapi;")
    monkeypatch.setattr(schema_view, "any_params", lambda: {"anyOf": ["another processor"]})
    described()
    assert len(made) == 3


class Optional(forms.Form):
    note = forms.CharField(required=False)
    shelf = forms.ChoiceField(choices=[], required=False)


def test_it_is_made_without_a_warning_and_is_valid(register: Callable[..., None]) -> None:
    register(Optional)
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(document)
    warnings = [str(warning) for warning in GENERATOR_STATS._warn_cache]
    GENERATOR_STATS.reset()
    assert warnings == []
