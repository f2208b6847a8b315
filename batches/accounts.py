"""People's accounts, whatever user model the project has: with or without `username`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db.models import QuerySet


def name_field() -> str:
    """The field that names an account, as `get_username` gives it."""
    return str(get_user_model().USERNAME_FIELD)


def named(name: str) -> Any:
    """The account of that name; None without one."""
    return get_user_model()._default_manager.filter(**{name_field(): name}).first()


def by_id(pk: Any) -> Any:
    """The account of that primary key; None without one."""
    return get_user_model()._default_manager.filter(pk=pk).first()


def nobody() -> QuerySet[Any]:
    return get_user_model()._default_manager.none()


def active() -> QuerySet[Any]:
    """The accounts that may sign in; a model without `is_active` has no others."""
    return only_active(get_user_model()._default_manager.all())


def who_may(permission: str) -> QuerySet[Any]:
    """Active accounts that have the permission in the database, by name."""
    backend: Any = ModelBackend()
    able = backend.with_perm(permission, is_active=None)
    return only_active(able).order_by(name_field())


def only_active(accounts: QuerySet[Any]) -> QuerySet[Any]:
    fields = {field.name for field in get_user_model()._meta.get_fields()}
    return accounts.filter(is_active=True) if "is_active" in fields else accounts


def mail_address(user: Any) -> str:
    """Where the account is written to; empty without an address."""
    return str(getattr(user, user.get_email_field_name(), "") or "")
