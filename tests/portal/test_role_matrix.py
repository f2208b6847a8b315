"""Acts upon rows that are selected in a list, and sockets, for every role; compared by every cell that is stored.

Pages stand in tests/errors/test_every_page.py and REST in tests/batches/test_rest_rights.py, found as these are: a new
action or socket without a line here fails.
"""

from __future__ import annotations

from typing import Any

import pytest
from catalog.models import Product
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from batches.lifecycle.deliveries import new_secret, send_test
from batches.live.routing import websocket_urlpatterns
from batches.models import AccessToken, Delivery, Webhook
from tests.helpers.canaries import cells
from tests.helpers.check_rows import committed, finished
from tests.helpers.people import UserOf

pytestmark = [pytest.mark.any_database, committed]

ADMIN, OPERATOR = {"admin"}, {"operator", "admin"}
ACTIONS: dict[tuple[str, str], set[str]] = {
    **{("batches.Batch", f"{verb}_selected"): OPERATOR for verb in ("pause", "resume", "cancel", "retry")},
    ("batches.Batch", "archive_selected"): ADMIN,
    ("batches.Batch", "delete_selected"): ADMIN,
    ("batches.Item", "retry_selected"): OPERATOR,
    ("batches.Delivery", "send_again"): OPERATOR,
    ("batches.AccessToken", "revoke"): {"viewer", *OPERATOR},
    ("batches.AccessToken", "delete_selected"): ADMIN,
    ("batches.Webhook", "send_test"): ADMIN,
    ("batches.Webhook", "new_secret"): ADMIN,
    ("batches.Webhook", "delete_selected"): ADMIN,
    ("auth.User", "delete_selected"): ADMIN,
    ("auth.Group", "delete_selected"): ADMIN,
    ("catalog.Product", "delete_selected"): ADMIN,
}
"""(model, action of its list) -> who may do it."""
SOCKETS = {r"^ws/batches/(?P<batch_id>[^/]+)/progress/?$", r"^ws/progress/?$"}
"""tests/live/test_sockets.py asks at these who is let in."""
ROLES = ("charlie", "viewer", "operator", "admin")
OF_SESSIONS = ("django_session.", "auth_user.last_login", "sqlite_")


def stored() -> list[tuple[str, str]]:
    """Every cell of every table, but for who is signed in."""
    return sorted(cell for cell in cells() if not cell[0].startswith(OF_SESSIONS))


def actions_of(user: Any) -> set[tuple[str, str]]:
    """What the lists offer that person."""
    request = RequestFactory().get("/")
    request.user = user
    return {(model._meta.label, name) for model, page in registered() for name in page.get_actions(request)}


def test_it_has_a_line_for_every_action_and_socket(user_of: UserOf) -> None:
    assert set(ACTIONS) == actions_of(user_of("admin"))
    assert {str(pattern.pattern) for pattern in websocket_urlpatterns} == SOCKETS


@pytest.mark.parametrize("role", ["anonymous", *ROLES])
def test_an_action_is_done_for_who_may_and_changes_no_cell_for_others(user_of: UserOf, role: str) -> None:
    finished()
    hook = Webhook.objects.create(url="https://hooks.example/", secret=new_secret())
    send_test(hook)
    Delivery.objects.update(due_at=None)
    Group.objects.get_or_create(name="some group")
    someone = User.objects.create(username="someone")
    AccessToken.objects.create(user=someone, name="of someone", digest="00" * 32)
    Product.objects.create(sku="A1", price=1)
    client = Client()
    if role != "anonymous":
        user = user_of(role)
        client.force_login(user)
        assert actions_of(user) & set(ACTIONS) <= {act for act, roles in ACTIONS.items() if role in roles}
    forbidden = [act for act, roles in ACTIONS.items() if role not in roles]
    before, wrong = stored(), {}
    for label, action in forbidden:
        model = next(model for model, _ in registered() if model._meta.label == label)
        rows = list(model._default_manager.values_list("pk", flat=True))
        assert rows, label
        form = {"action": action, "_selected_action": rows, "select_across": "1", "post": "yes"}
        answer = client.post(reverse(f"admin:{label.lower().replace('.', '_')}_changelist"), form)
        if answer.status_code >= 500 or stored() != before:
            wrong[label, action] = answer.status_code
            before = stored()
    assert wrong == {}


def registered() -> list[tuple[type[Model], Any]]:
    admin.autodiscover()
    return list(admin.site._registry.items())
