"""How the portal is: for load balancers, monitoring systems and people."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from batches import metrics
from batches.engine import servers
from batches.exceptions import TooManyRequests
from batches.lanes import workers
from batches.lifecycle import full_database
from batches.models import Tally
from batches.rest.permissions import PortalSessionAuthentication, TokenAuthentication
from batches.rest.portal_view import PortalView
from batches.rights import VIEW
from batchportal import migration_state

_migrated: list[bool] = []
"""Not empty once all migrations were seen applied: they are not taken back under a running process."""
_drawable: list[bool] = []
"""Not empty once the files that pages are drawn with were seen."""
TEMPLATES = {"batches": "admin/batches/batch/batch.html", "errors": "admin/errors/desk.html"}
STYLE = "portal/portal.css"


def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers and pages can be drawn; broker, channel layer and workers may be away: it says so.

    One word for everybody, the details for who may see batches.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        waiting = unapplied()
    except Exception:  # whatever a driver raises
        return HttpResponse("database unavailable", status=503, content_type="text/plain")
    if waiting:
        return migrations_missing(request, waiting)
    states = servers.states()
    away = [name for name, state in states.items() if state == "away"]
    away += [] if workers.presence().anybody else ["worker"]
    lacks = ["the database's disk is full"] if full_database.is_full() else []
    lacks += [f"no {' and no '.join(away)}"] if away else []
    word, status = f"degraded: {', '.join(lacks)}" if lacks else "ready", 200
    if missing := missing_files():
        word, status = f"cannot draw pages: no {missing[0]}", 503
    if may_see(request):
        return JsonResponse({"status": word, **details(states)}, status=status)
    return HttpResponse(word, status=status, content_type="text/plain")


def migrations_missing(request: HttpRequest, names: list[str]) -> HttpResponse:
    """Nothing else is asked of a database that lacks tables; who asks is known where accounts have theirs."""
    word = "migrations missing"
    with suppress(DatabaseError):
        if may_see(request):
            return JsonResponse({"status": word, "unapplied_migrations": names}, status=503)
    return HttpResponse(word, status=503, content_type="text/plain")


def unapplied() -> list[str]:
    """Migrations that this version has and the database has not."""
    if _migrated:
        return []
    waiting = migration_state.unapplied()
    if not waiting:
        _migrated.append(True)
    return waiting


def missing_files() -> list[str]:
    """Of the files that pages are drawn with, a template and a style sheet for each part, those that are not here."""
    if _drawable:
        return []
    templates = [name for app, name in TEMPLATES.items() if apps.is_installed(app)]
    missing = [name for name in templates if not has_template(name)]
    missing += [] if finders.find(STYLE) or (Path(settings.STATIC_ROOT) / STYLE).exists() else [STYLE]
    if not missing:
        _drawable.append(True)
    return missing


def has_template(name: str) -> bool:
    try:
        get_template(name)
    except TemplateDoesNotExist:
        return False
    return True


def details(states: dict[str, str]) -> dict[str, Any]:
    now, disk = timezone.now(), shutil.disk_usage(settings.VAR)
    beats = Tally.objects.filter(name="heartbeat").order_by("-at").values_list("labels", "at")[:100]
    return {
        "database": connection.vendor,
        "unapplied_migrations": [],
        **states,
        "workers": [{"host": host, "heard_of_seconds_ago": round((now - at).total_seconds(), 1)} for host, at in beats],
        "disk_free_percent": round(100 * disk.free / disk.total, 1),
    }


def may_see(request: HttpRequest) -> bool:
    """By session or token; a wrong token is nobody."""
    try:
        user = Request(request, authenticators=[PortalSessionAuthentication(), TokenAuthentication()]).user
    except (APIException, TooManyRequests):
        return False
    return bool(user and user.has_perm(VIEW))


class Metrics(PortalView):
    """`/metrics`, by session or token of who may see batches."""

    schema = None  # type: ignore[assignment]

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
