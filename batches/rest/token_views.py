"""REST of tokens: those of one's own; an admin's over all."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from batches import accounts, operations
from batches.models import AccessToken
from batches.rest.pagination import Pages
from batches.rest.permissions import MayView
from batches.rest.portal_view import PortalView, actor_of, checked
from batches.rights import VIEW


class MayHaveTokens(MayView):
    """Who may see batches may have programs that see them."""

    act = VIEW


class TokenSerializer(serializers.ModelSerializer[AccessToken]):
    """A token without its key: of that only the beginning is known."""

    account = serializers.CharField(source="user.get_username", read_only=True, help_text="Username of whose it is.")
    processors = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="Only their batches; none: batches of all."
    )
    state = serializers.CharField(read_only=True, help_text="in force, expired or revoked.")

    class Meta:
        model = AccessToken
        fields = (
            *("id", "account", "name", "prefix", "scope", "processors", "state", "survives_password_change"),
            *("created_at", "created_by", "expires_at", "last_used_at", "last_used_address"),
            *("revoked_at", "revoked_by", "revoked_reason"),
        )
        read_only_fields = fields


class NewTokenSerializer(TokenSerializer):
    """A token with its key, which is shown this once."""

    key = serializers.CharField(read_only=True, help_text="Shown this once; it goes into the header `Authorization`.")

    class Meta:
        model = AccessToken
        fields = (*TokenSerializer.Meta.fields, "key")
        read_only_fields = fields


class TokenRequestSerializer(serializers.Serializer[Any]):
    """A token that is wanted."""

    name = serializers.CharField(max_length=80, help_text="What uses it.")
    scope = serializers.ChoiceField(
        AccessToken.Scope.choices, default=AccessToken.Scope.VIEWER, help_text="What it may, if the account may."
    )
    processors = serializers.ListField(
        child=serializers.CharField(max_length=200),
        default=list,
        max_length=100,
        help_text="Only batches of these; none: batches of all.",
    )
    expires_at = serializers.DateTimeField(default=None, allow_null=True, help_text="null: it does not expire.")
    survives_password_change = serializers.BooleanField(
        default=False, help_text="True: the account's next new password does not end it."
    )
    account = serializers.CharField(
        max_length=150, required=False, help_text="Whose it is to be; only admins name others."
    )


class NewestToken(Pages):
    ordering = ("-id",)


class Tokens(PortalView, ListAPIView[AccessToken]):
    """Tokens of the account that asks, the newest first; of an admin those of all."""

    permission_classes = (MayHaveTokens,)
    serializer_class = TokenSerializer
    pagination_class = NewestToken
    filter_backends = ()
    limits_by_processor = True
    takes_idempotency_key = False
    """Its answer is kept nowhere; a repeated POST is refused, as the name is taken then."""

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return AccessToken.objects.none()
        listed = operations.tokens_for(self.request.user)
        account = self.request.query_params.get("account", "").replace("\x00", "")
        return listed.filter(**{f"user__{accounts.name_field()}": account}) if account else listed

    @extend_schema(parameters=[OpenApiParameter("account", str, description="Only those of that account.")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The tokens one may see; no key is shown again."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request={"application/json": TokenRequestSerializer}, responses={201: NewTokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token: 201, with its key, which is shown this once. A token makes none that may more than itself."""
        body = checked(TokenRequestSerializer, request)
        account = body.pop("account", "")
        owner = accounts.named(account) if account and account != actor_of(request) else request.user
        if owner is None:
            raise serializers.ValidationError({"account": ["There is no such account."]})
        new = operations.create_token(operations.TokenRequest(user=owner, **body), by=request.user)
        new.token.key = new.key  # type: ignore[attr-defined]
        location = {"Location": reverse("token", args=[new.token.pk])}
        return Response(NewTokenSerializer(new.token).data, status.HTTP_201_CREATED, headers=location)


class TokenDetail(PortalView):
    permission_classes = (MayHaveTokens,)
    limits_by_processor = True

    @extend_schema(responses=TokenSerializer)
    def get(self, request: Request, number: int) -> Response:
        """One token, without its key."""
        return Response(TokenSerializer(operations.get_token(number, request.user)).data)

    @extend_schema(
        parameters=[OpenApiParameter("reason", str, description="Why; it is shown beside the token.")],
        responses={204: None},
    )
    def delete(self, request: Request, number: int) -> Response:
        """Revoke it: it opens nothing any more, and its open sockets are closed with 4403."""
        token = operations.get_token(number, request.user)
        reason = request.query_params.get("reason", "").replace("\x00", "")[:200]
        operations.revoke_token(token, actor=actor_of(request), reason=reason)
        return Response(status=status.HTTP_204_NO_CONTENT)
