"""Workers over REST: who works, and whether anybody does."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches import clock
from batches.engine.workforce import Workforce, workforce
from batches.extensions import Notice, current_notices
from batches.rest.portal_view import PortalView
from batches.rest.schema import schema_of


@dataclass(frozen=True, slots=True)
class Notices:
    """What is wrong at this moment; empty if nothing is."""

    notices: list[Notice]


class WorkerList(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(Workforce)})
    def get(self, request: Request) -> Response:
        """Worker processes of the last day and what each holds, what waits for them, broker, channel layer, sweep."""
        return Response(workforce().to_dict())


class NoticeList(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(Notices)})
    def get(self, request: Request) -> Response:
        """What every page says at its head: that no worker lives, since when, and how many batches wait."""
        return Response(clock.with_iso_times(asdict(Notices(current_notices()))))
