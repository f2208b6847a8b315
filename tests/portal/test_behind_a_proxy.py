"""Behind a load balancer: probes are answered, and data is kept by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.helpers.batches import modes, submitted
from tests.helpers.people import client

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]

PROBES = ["/healthz", "/readyz", "/metrics", "/healthz/", "/readyz/", "/metrics/"]


@pytest.fixture
def behind_tls(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["portal.example.com"]


@pytest.mark.parametrize("path", PROBES)
def test_it_answers_a_probe_by_whatever_name_and_without_tls(behind_tls: None, path: str) -> None:
    answer = client("viewer").get(path, HTTP_HOST="10.0.0.7:8000")
    assert answer.status_code == 200
    assert client("anonymous").get(path, HTTP_HOST="10.0.0.7").status_code == (401 if "metrics" in path else 200)


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/batches", "/healthz/more", "/xhealthz", "/admin/healthz"])
def test_it_answers_nothing_else_so(behind_tls: None, settings: Any, path: str) -> None:
    assert Client().get(path, HTTP_HOST="portal.example.com").status_code == 301
    settings.SECURE_SSL_REDIRECT = False
    assert Client().get(path, HTTP_HOST="10.0.0.7:8000").status_code == 400


@pytest.mark.usefixtures("engine")
def test_it_lets_nobody_keep_data() -> None:
    batch = submitted(modes("ok"))
    paths = ["/api/batches", f"/api/batches/{batch.pk}/items", f"/api/batches/{batch.pk}/errors/export/csv"]
    paths += ["/api/schema", "/admin/", "/admin/login/", "/readyz", "/metrics", "/nothing"]
    for visitor in (client("anonymous"), client("admin")):
        assert {visitor.get(path)["Cache-Control"] for path in paths} == {"private, no-store"}


def test_it_lets_browsers_keep_static_files() -> None:
    answer = Client().get("/static/portal/mark.svg")
    assert "no-store" not in answer["Cache-Control"]
    answer.close()


def test_it_serves_no_source_map(settings: Any, tmp_path: Path) -> None:
    """The package of the API's pages brings three along; what an earlier collection left is not served either."""
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "old.js.map").write_text("{}")
    (tmp_path / "old.js").write_text("")
    for autorefresh in (True, False):
        settings.WHITENOISE_AUTOREFRESH = autorefresh
        visitor = Client()
        for name in ("drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js", "old.js"):
            script = visitor.get(f"/static/{name}")
            assert script.status_code == 200
            script.close()
            assert visitor.get(f"/static/{name}.map").status_code == 404
