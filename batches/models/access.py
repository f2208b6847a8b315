"""By what an account is let in besides its session, what was tried in vain, and how much each caller has asked for."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches.models.fields import HexKeyField, RedactedCharField

LONGEST_NAME = 80
PREFIX_LENGTH = 12
"""Characters of a token that are stored and shown: it is found and told apart by them."""


class AccessToken(models.Model):
    """A key of an account, for programs: of the key itself only its beginning and its SHA-256 are stored."""

    class Scope(models.TextChoices):
        VIEWER = "viewer", "Viewer: looks"
        OPERATOR = "operator", "Operator: looks and acts"
        ADMIN = "admin", "Admin: all that the account may"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(
        max_length=LONGEST_NAME,
        validators=[ProhibitNullCharactersValidator()],
        help_text="What uses it: no other token in force of the account has the same name.",
    )
    prefix = models.CharField(max_length=PREFIX_LENGTH, db_index=True, help_text="How the key begins.")
    digest = HexKeyField(max_length=32)
    scope = models.CharField(
        max_length=10,
        choices=Scope.choices,
        default=Scope.VIEWER,
        help_text="Never more than the account itself may at the moment of use.",
    )
    processors = models.JSONField(
        default=list, blank=True, help_text="Only batches of these processors; none: batches of all."
    )
    survives_password_change = models.BooleanField(
        "stays valid when the account's password changes",
        default=False,
        help_text="Otherwise a new password ends it, as it ends sessions.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was made.")
    created_by = models.CharField(max_length=150, help_text="Username of who made it, or the door.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it does not expire.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Right to a minute.")
    last_used_address = models.CharField(max_length=45, blank=True, help_text="From where.")
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it is not revoked.")
    revoked_by = models.CharField(max_length=150, blank=True, help_text="Username of who revoked it, or the door.")
    revoked_reason = RedactedCharField(max_length=200, blank=True, help_text="Why.")

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="one_token_of_a_name", condition=Q(revoked_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def in_force(cls) -> QuerySet[AccessToken]:
        """The tokens that are neither revoked nor expired."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return cls._default_manager.filter(unexpired, revoked_at=None)

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.is_expired(timezone.now()) else "in force"

    def is_expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at

    def covers(self, processor: str) -> bool:
        """Whether it opens batches of that processor."""
        return not self.processors or processor in self.processors


class FailedSignIn(models.Model):
    """A password or token that was refused. What was typed as a name stands here only if an account has it: people
    type their password there."""

    class Door(models.TextChoices):
        PAGE = "page", "Sign-in page"
        REST = "rest", "REST"
        SOCKET = "socket", "WebSocket"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    door = models.CharField(max_length=10, choices=Door.choices)
    name = models.CharField(max_length=150, blank=True, help_text="Of an account, or the beginning of a token.")
    address = models.CharField(max_length=45, blank=True)
    locked = models.BooleanField(default=False, help_text="The first one that was refused unread: too many before it.")

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.name or 'no such account'} from {self.address or 'an unknown address'}"


class Allowance(models.Model):
    """How much a caller has used of what it may ask for in a window of time; the first use begins the window."""

    key = models.CharField(max_length=150, primary_key=True)
    started_ms = models.BigIntegerField(help_text="Milliseconds since 1970.")
    window_ms = models.BigIntegerField()
    used = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.key}: {self.used}"
