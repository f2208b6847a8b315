"""System checks of the engine; each has a number and a hint."""

from __future__ import annotations

from typing import Any

from django.core import checks
from rest_framework.settings import api_settings

from batches import conf, outbound
from batches.command_line import COMMAND_CHECKS
from batches.conf import settings
from batches.isolation.connections import GuardedSQLite, guarded_postgresql
from batches.lanes import quotas
from batches.plugins import broken_plugins
from batches.processors import all_processors
from batches.processors.importable_models import unusable_entries


@checks.register("batches", COMMAND_CHECKS)
def outbound_hosts(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E001: an entry of the list of hosts that names none, and so allows nothing."""
    hint = "Write api.example.com, *.example.com, 10.0.0.7:8080, [fd00::7]:8080, or * for any public host."
    return [
        checks.Error(f"PORTAL_OUTBOUND_HOSTS: {entry!r} names no host.", hint=hint, id="batches.E001")
        for entry in outbound.meaningless_entries(settings.PORTAL_OUTBOUND_HOSTS)
    ]


@checks.register("batches", COMMAND_CHECKS)
def plugins_are_whole(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W010: a plug-in could not be imported, and is left out."""
    return [
        checks.Warning(
            f"The plug-in {plugin.name} ({plugin.source}) cannot be imported: {plugin.error}",
            hint="Its models and processors are left out until it is mended, or is no longer named.",
            id="batches.W010",
        )
        for plugin in broken_plugins()
    ]


GUARD = 'DATABASES["default"] = guarded(DATABASES["default"]), from batches.isolation.connections.'


@checks.register("batches", COMMAND_CHECKS)
def times_have_zones(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E010: without time zones no time of one process can be compared with another's."""
    if settings.USE_TZ:
        return []
    return [checks.Error("USE_TZ is off; times are compared with zones.", hint="Set USE_TZ = True.", id="batches.E010")]


@checks.register("batches", COMMAND_CHECKS)
def times_are_in_order(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E011: an item must end before its session does, and that before its lease."""
    if 0 < settings.PORTAL_ITEM_TIMEOUT < settings.PORTAL_IDLE_SECONDS < settings.PORTAL_LEASE_SECONDS:
        return []
    message = "It must hold: 0 < PORTAL_ITEM_TIMEOUT < PORTAL_IDLE_SECONDS < PORTAL_LEASE_SECONDS."
    return [checks.Error(message, hint="Set PORTAL_LEASE_SECONDS alone: the others follow from it.", id="batches.E011")]


@checks.register("batches")
def beat_sweeps(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W011: nothing sends the sweep, which finds again what was lost; a scheduler of another kind is believed."""
    from celery import current_app  # not at every command's start

    scheduled = {entry.get("task") for entry in current_app.conf.beat_schedule.values()}
    missing = {entry["task"] for entry in conf.BEAT_SCHEDULE.values()} - scheduled
    if not missing or "celery.beat" not in str(current_app.conf.beat_scheduler):
        return []
    return [
        checks.Warning(
            f"Celery's beat does not send {', '.join(sorted(missing))}: what a lost message or worker leaves stays so.",
            hint="CELERY_BEAT_SCHEDULE |= batches.conf.BEAT_SCHEDULE, and run a worker with --beat.",
            id="batches.W011",
        )
    ]


@checks.register("batches", COMMAND_CHECKS)
def sessions_are_limited(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W012: on PostgreSQL a worker that freezes would keep its locks for ever."""
    database = settings.DATABASES["default"]
    limit = "idle_in_transaction_session_timeout"
    options = str(database.get("OPTIONS", {}).get("options", ""))
    if not database["ENGINE"].endswith("postgresql") or limit in options or settings.PORTAL_POOLED_IDLE_MS:
        return []
    return [
        checks.Warning(f"Sessions have no {limit}: a frozen worker keeps its locks.", hint=GUARD, id="batches.W012")
    ]


@checks.register("batches", COMMAND_CHECKS)
def connections_are_guarded(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W013: a processor could commit past Django, in the middle of a chunk."""
    options = settings.DATABASES["default"].get("OPTIONS", {})
    if options.get("factory") is GuardedSQLite or options.get("connection_factory") is guarded_postgresql:
        return []
    message = "The connection is not guarded: a processor can commit in mid-chunk through the driver."
    return [checks.Warning(message, hint=GUARD, id="batches.W013")]


@checks.register("batches")
def a_broker_is_named(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W014: without a broker no worker hears of a batch."""
    from celery import current_app  # as in `beat_sweeps`

    if current_app.conf.broker_url:
        return []
    return [
        checks.Warning(
            "No broker is configured, or this process does not know the project's Celery app.",
            hint="Set CELERY_BROKER_URL, and import the Celery app in the project's package.",
            id="batches.W014",
        )
    ]


@checks.register("batches")
def views_can_be_described(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W015: the views are described by drf-spectacular, and another kind of schema breaks on them."""
    from drf_spectacular.openapi import AutoSchema  # all of REST comes with it: not at every command's start

    schema: Any = api_settings.DEFAULT_SCHEMA_CLASS
    if issubclass(schema, AutoSchema):
        return []
    return [
        checks.Warning(
            "DEFAULT_SCHEMA_CLASS is not drf-spectacular's: the OpenAPI document of the API answers 500.",
            hint='Set REST_FRAMEWORK["DEFAULT_SCHEMA_CLASS"] = "drf_spectacular.openapi.AutoSchema".',
            id="batches.W015",
        )
    ]


@checks.register("batches", COMMAND_CHECKS)
def import_models(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E002: an entry of the tables that rows may be imported into by which nothing can be."""
    hint = "Write catalog.Product, or field by field auth.User.username, auth.User.email."
    return [
        checks.Error(f"PORTAL_IMPORT_MODELS: {entry!r}: {problem}", hint=hint, id="batches.E002")
        for entry, problem in unusable_entries()
    ]


@checks.register("batches")
def quotas_are_usable(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E003: an entry of the quotas that is none. W016: a processor names a quota that has no entry."""
    hint = 'Write {"provider": {"concurrent": 4, "per_second": 10}}; one of the two is enough.'
    wrong: list[checks.CheckMessage] = [
        checks.Error(f"PORTAL_QUOTAS: {name!r}: {problem}.", hint=hint, id="batches.E003")
        for name, problem in quotas.unusable_entries(settings.PORTAL_QUOTAS)
    ]
    return wrong or [
        checks.Warning(
            f"Processor {processor.name} names quota {processor.quota!r}, which PORTAL_QUOTAS does not have: "
            "nothing limits it.",
            hint=hint,
            id="batches.W016",
        )
        for processor in all_processors()
        if processor.quota != processor.name and quotas.limits_of(processor.quota) is None
    ]
