"""One clock: whoever reads a page reads all of its moments in one zone, his own, which every page names.

That of his setting, else that of his browser, which its script has left in a cookie, else that of the settings. What
programs read (REST, exports, webhooks) stays in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from batches.models import Preference

COOKIE = "zone"


class ReaderZone:
    """Middleware, behind the one that knows who asks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        is_rest = hasattr(view, "cls")
        if not is_rest and (zone := zone_of(chosen_zone(request)) or zone_of(request.COOKIES.get(COOKIE, ""))):
            timezone.activate(zone)


def chosen_zone(request: HttpRequest) -> str:
    """The zone of the person's own setting; empty: the browser's."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ""
    if COOKIE not in request.session:
        zone = Preference.objects.filter(user_id=user.pk).values_list("zone", flat=True).first() or ""
        request.session[COOKIE] = zone
    return str(request.session[COOKIE])


def choose_zone(request: HttpRequest, zone: str) -> None:
    """Keep a person's choice; empty: the browser's zone. `ValueError` for a name that is none."""
    if zone and zone_of(zone) is None:
        raise ValueError(f"There is no time zone {zone!r}.")
    user: Any = request.user
    preference, _ = Preference.objects.update_or_create(user_id=user.pk, defaults={"zone": zone})
    if preference.digest_hour is not None:  # the same hour, elsewhere
        preference.digest_at = preference.digest_after(timezone.now())
        preference.save(update_fields=["digest_at"])
    request.session[COOKIE] = zone


def zone_of(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in known_zones() else None


_zones: set[str] = set()


def known_zones() -> set[str]:
    """The names of all zones, looked for once in a process."""
    if not _zones:
        _zones.update(available_timezones())
    return _zones
