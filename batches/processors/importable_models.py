"""Which tables, and which of their fields, rows may be imported into: PORTAL_IMPORT_MODELS, and what it never means."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from batches.conf import settings

GUARDED_APPS = frozenset({"admin", "auth", "authtoken", "batches", "contenttypes", "errors", "sessions"})
"""Accounts, permissions and the portal's own tables: their fields are named one by one, or none can be written."""
NEVER = frozenset({"is_superuser", "is_staff", "groups", "user_permissions", "permissions", "password"})
"""Fields of guarded tables that no row sets, whatever the setting says: they make an administrator of anybody."""


def listed() -> dict[str, frozenset[str]]:
    """Model -> the fields that are named for it, as in `auth.User.email`; none are named where all may be written."""
    fields: dict[str, set[str]] = defaultdict(set)
    for entry in settings.PORTAL_IMPORT_MODELS:
        app, _, rest = entry.strip().partition(".")
        name, _, field = rest.partition(".")
        fields[f"{app}.{name}"] |= {field} - {""}
    return {name: frozenset(named) for name, named in fields.items() if named or not is_guarded(model_of(name))}


@lru_cache(maxsize=64)
def model_of(name: str) -> type[Model]:
    return apps.get_model(name)


def is_guarded(model: type[Model]) -> bool:
    account = model._meta.label == settings.AUTH_USER_MODEL or hasattr(model, "check_password")
    return account or model._meta.app_label in GUARDED_APPS


def writable_fields(name: str, key_field: str) -> set[str]:
    """The fields of a listed model that rows may have."""
    model, named = model_of(name), listed()[name]
    editable = {field.name for field in model._meta.get_fields() if getattr(field, "editable", False)}
    fields = (editable & named if named else editable) | {key_field}
    return fields - NEVER if is_guarded(model) else fields


def unique_fields(name: str) -> list[str]:
    """Those by which a row can be known."""
    model, named = model_of(name), listed()[name]
    return [field.name for field in model._meta.fields if field.unique and (not named or field.name in named)]


def unusable_entries() -> list[tuple[str, str]]:
    """(entry, why) of each entry of PORTAL_IMPORT_MODELS by which nothing can be imported."""
    return [(entry, problem) for entry in settings.PORTAL_IMPORT_MODELS if (problem := problem_with(entry.strip()))]


def problem_with(entry: str) -> str:
    app, _, rest = entry.partition(".")
    name, _, field = rest.partition(".")
    try:
        model = apps.get_model(app, name)
        if field:
            model._meta.get_field(field)
    except (LookupError, ValueError):
        return "There is no such model."
    except FieldDoesNotExist:
        return "The model has no such field."
    if not is_guarded(model):
        return ""
    if not field:
        return "Its fields have to be named one by one, as it holds accounts, permissions or the portal's own rows."
    return "No row may set it." if field in NEVER else ""
