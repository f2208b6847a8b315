"""Who knocks: users by role, each with a client that has signed in, and Charlie, who must never get in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.test import APIClient

from batches.access.tokens import digest_of
from batches.models import AccessToken
from batches.models.access import PREFIX_LENGTH

UserOf = Callable[[str], Any]
"""The fixture `user_of`: a user by role."""
RIGHTS = {
    "charlie": (),
    "viewer": ("view_batch",),
    "operator": ("view_batch", "operate_batch", "triage_error"),
}
ROLES = ("anonymous", *RIGHTS, "admin")


def person(role: str) -> User:
    """A user of that role."""
    user, _ = User.objects.get_or_create(username=role, is_superuser=role == "admin", is_staff=role == "admin")
    user.user_permissions.set(Permission.objects.filter(codename__in=RIGHTS.get(role, ())))
    return user


def client(role: str) -> APIClient:
    """A client that shows that person's token; a stranger's shows none."""
    stranger = APIClient(raise_request_exception=False)
    if role != "anonymous":
        stranger.credentials(HTTP_AUTHORIZATION=f"Token {key_of(role)}")
    return stranger


def key_of(role: str) -> str:
    """That person's token, the same at every call: it may all that the person may."""
    key = f"bpt_{role:_<8}{'k' * 43}"
    AccessToken.objects.get_or_create(
        user=person(role), name="of the tests", prefix=key[:PREFIX_LENGTH], digest=digest_of(key), scope="admin"
    )
    return key


def browser(role: str) -> APIClient:
    """A client with that person's session cookie, and CSRF checked as for a browser."""
    tab = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    tab.force_login(person(role))
    return tab


def signed_in(user: Any) -> Client:
    """A client with that user's session, as the fixture `user_of` makes them."""
    client = Client()
    client.force_login(user)
    return client
