"""The groups that the migrations leave behind: what a viewer and an operator may do."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]


def member(role: str) -> User:
    user = User.objects.create_user(role)
    user.groups.add(Group.objects.get(name=role))
    return user


def test_a_viewer_looks_and_does_not_touch() -> None:
    viewer = member("viewer")
    assert viewer.has_perms(["batches.view_batch", "batches.view_item", "errors.view_errorgroup"])
    assert not any(viewer.has_perm(right) for right in ("batches.operate_batch", "errors.triage_error"))


def test_an_operator_acts_and_does_not_delete() -> None:
    operator = member("operator")
    assert operator.has_perms(["batches.view_batch", "batches.operate_batch", "errors.triage_error"])
    others = operator.get_all_permissions() - {"batches.operate_batch", "errors.triage_error"}
    assert all(".view_" in right for right in others)


def test_the_roles_can_be_taken_back_and_made_again() -> None:
    roles, editor = import_module("errors.migrations.0002_roles"), SimpleNamespace(connection=connection)
    roles.remove_roles(apps, editor)
    assert not Group.objects.filter(name__in=("viewer", "operator")).exists()
    roles.create_roles(apps, editor)
    roles.create_roles(apps, editor)
    assert member("operator").has_perm("batches.operate_batch")
