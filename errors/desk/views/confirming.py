"""What views share whose act is confirmed on a page: GET shows what will happen, POST does it if it still is that."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, QueryDict

from batches.exceptions import BatchError, ScopeChanged
from errors.desk.confirm_form import ConfirmForm


def answers_of(request: HttpRequest) -> QueryDict | None:
    """What a confirmation page has sent; None for a request that came from elsewhere."""
    return request.POST if request.method == "POST" and "token" in request.POST else None


def carry_out(form: ConfirmForm, act: Callable[[], HttpResponse]) -> HttpResponse | ScopeChanged | None:
    """What the act answers; ScopeChanged if other rows are meant by now; None where the form has to be shown again."""
    if not form.is_bound or not form.is_valid():
        return None
    try:
        return act()
    except ScopeChanged as changed:
        return changed
    except BatchError as error:
        form.refuse(error)
        return None
