"""What all REST views share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import operations
from batches.rest.idempotent_requests import Post, once_per_key
from batches.rest.parsers import StrictJSONParser
from batches.rest.permissions import MayView
from batches.rest.problems import problem_response
from batches.rest.rates import Rate, rate_headers
from batches.rest.schema import PortalSchema
from batches.rest.serializers import page_of

MOST_LISTED = 100


def submission_answer(request: Request, submission: operations.Submission, *, start: bool) -> Response:
    """The stored batch, started unless it is to wait: 201, or 200 if it stood there already."""
    batch = operations.start_stored(submission.batch, at_once=start, actor=actor_of(request))
    code = status.HTTP_201_CREATED if submission.created else status.HTTP_200_OK
    return Response(page_of(batch), code, headers={"Location": reverse("batch", args=[batch.pk])})


class PortalView(APIView):
    """Who may view batches may read; strict JSON or a form comes in, JSON goes out; the OpenAPI document describes it.

    All of it stands here: a project's own REST_FRAMEWORK settings say who somebody is, and nothing else.
    """

    permission_classes = (MayView,)
    parser_classes = (StrictJSONParser, MultiPartParser)
    renderer_classes = (JSONRenderer,)
    filter_backends: Any = (DjangoFilterBackend,)
    throttle_classes = (Rate,)
    limits_by_processor = False
    """Of a view that is not about one batch: whether it shows a token only what is of its processors."""
    versioning_class = None
    metadata_class = None
    schema = PortalSchema()

    def perform_authentication(self, request: Request) -> None:
        """Who asks, and how often: whatever is asked counts, also what is refused then."""
        super().perform_authentication(request)
        super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Done before, where rights are not known yet."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        for name, value in rate_headers(getattr(request, "rate_uses", ())).items():
            answer[name] = value
        return answer

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return problem_response


class OfBatch(PortalView, ListAPIView[Any]):
    """Rows that belong to one batch."""

    rows: QuerySet[Any]

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.rows.none()
        return self.rows.filter(batch=operations.get_batch(self.kwargs["batch_id"]))


class LatestOfBatch(OfBatch):
    """Numbered rows of one batch, the latest first, at most 100."""

    pagination_class = None

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.order_by("-number")[:MOST_LISTED]


def act(body: Any, answer: Any) -> Callable[[Post], Post]:
    """A POST of a JSON `body` that a repeated idempotency key does not do again; `answer`: for the OpenAPI document."""

    def documented(post: Post) -> Post:
        described: Post = extend_schema(request={"application/json": body}, responses=answer)(once_per_key(post))
        return described

    return documented


def checked(kind: type[Any], request: Request) -> dict[str, Any]:
    """The request's body as the serializer cleans it, or DRF's refusal by field."""
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    body: dict[str, Any] = serializer.validated_data
    return body


def actor_of(request: Request) -> str:
    """Who acts, as the history names them."""
    return request.user.get_username()
