"""What a project lacks is said by number, with what to do about it."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from batches import checks, conf

pytestmark = pytest.mark.any_database
POSTGRESQL = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {}}


def ids(check: Any) -> list[str]:
    messages = check(None)
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_it_finds_nothing_wrong_with_the_portals_own_settings() -> None:
    every = (
        checks.times_have_zones,
        checks.times_are_in_order,
        checks.beat_sweeps,
        checks.sessions_are_limited,
        checks.connections_are_guarded,
        checks.a_broker_is_named,
        checks.views_can_be_described,
    )
    assert [ids(check) for check in every] == [[]] * len(every)


def test_it_wants_time_zones(settings: Any) -> None:
    settings.USE_TZ = False
    assert ids(checks.times_have_zones) == ["batches.E010"]


def test_it_wants_an_item_to_end_before_its_lease(settings: Any) -> None:
    settings.PORTAL_ITEM_TIMEOUT = 90
    assert ids(checks.times_are_in_order) == ["batches.E011"]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """A project's Celery that knows nothing of batches."""
    app = Celery("shop", set_as_current=False)
    app.conf.beat_schedule = {"newsletter": {"task": "shop.newsletter", "schedule": 60}}
    monkeypatch.setattr("celery.current_app", app)
    return app


def test_it_wants_the_sweep_to_be_sent(shop: Celery) -> None:
    assert ids(checks.beat_sweeps) == ["batches.W011"]
    shop.conf.beat_schedule |= conf.BEAT_SCHEDULE
    assert ids(checks.beat_sweeps) == []


def test_it_believes_a_schedule_that_it_cannot_read(shop: Celery) -> None:
    shop.conf.beat_scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    assert ids(checks.beat_sweeps) == []


def test_it_wants_idle_sessions_to_end_on_postgresql(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, "default", POSTGRESQL)
    assert ids(checks.sessions_are_limited) == ["batches.W012"]
    pooled = POSTGRESQL | {"DISABLE_SERVER_SIDE_CURSORS": True}
    monkeypatch.setitem(settings.DATABASES, "default", pooled)
    settings.PORTAL_POOLED_IDLE_MS = conf.pooled_idle_ms(pooled, 40)
    assert ids(checks.sessions_are_limited) == []


def test_it_wants_a_guarded_connection(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, "default", POSTGRESQL)
    assert ids(checks.connections_are_guarded) == ["batches.W013"]


def test_it_wants_a_broker(shop: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    assert ids(checks.a_broker_is_named) == ["batches.W014"]


def test_it_wants_views_to_be_described_by_what_describes_them(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema"}
    assert ids(checks.views_can_be_described) == ["batches.W015"]


@pytest.mark.parametrize("name", sorted(conf.DEFAULTS) + sorted(conf.DERIVED))
def test_it_has_a_default_for_a_setting_that_a_project_lacks(settings: Any, name: str) -> None:
    if hasattr(settings, name):
        delattr(settings, name)
    assert getattr(conf.settings, name) == (conf.DEFAULTS[name] if name in conf.DEFAULTS else conf.DERIVED[name]())


def test_it_has_no_default_for_what_is_no_setting() -> None:
    with pytest.raises(AttributeError):
        conf.settings.NO_SUCH_SETTING  # noqa: B018
