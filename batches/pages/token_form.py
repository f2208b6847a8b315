"""The form by which a token is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied

from batches import accounts, operations, processors
from batches.access.scopes import SCOPES, role_of
from batches.exceptions import InvalidInput
from batches.models import AccessToken


class TokenForm(forms.ModelForm):
    """Somebody's own token; an admin's may be for any account."""

    maker: Any = None
    """The account that fills the form in."""
    processors = forms.MultipleChoiceField(
        required=False, help_text="Only batches of these processors. None selected: batches of all."
    )

    class Meta:
        model = AccessToken
        fields = ("user", "name", "scope", "processors", "expires_at", "survives_password_change")
        widgets = {"expires_at": AdminSplitDateTime()}
        field_classes = {"expires_at": forms.SplitDateTimeField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["processors"].choices = [(each.name, each.name) for each in processors.all_processors()]  # type: ignore[attr-defined]
        self.fields["scope"].choices = [(scope.value, scope.label) for scope in SCOPES if self.may_give(scope)]  # type: ignore[attr-defined]
        self.fields["user"].label = "Account"
        if self.maker.is_superuser:
            self.fields["user"].initial = self.maker.pk
            self.fields["user"].queryset = accounts.active()  # type: ignore[attr-defined]
        else:
            del self.fields["user"]

    def may_give(self, scope: str) -> bool:
        role = role_of(self.maker)
        return role is not None and SCOPES.index(scope) <= SCOPES.index(role)  # type: ignore[arg-type]

    def request(self) -> operations.TokenRequest:
        """The token that is wanted, of a form without errors."""
        return operations.TokenRequest(**{"user": self.maker, **self.cleaned_data})

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                operations.check_token(self.request(), by=self.maker)
            except PermissionDenied as error:
                self.add_error(None, str(error))
            except InvalidInput as error:
                for field, messages in error.errors.items():
                    self.add_error(field if field in self.fields else None, messages)
        return cleaned
