"""`manage.py token …`: the keys of programs, made, listed and revoked in a terminal."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from batches import accounts, operations
from batches.clock import iso_utc
from batches.command_line import COMMAND_LINE, Screen, Verb
from batches.models import AccessToken
from batches.models.access import PREFIX_LENGTH
from batches.terminal.exit_codes import OK
from batches.terminal.verbs_command import VerbsCommand


class Command(VerbsCommand):
    help = "Make, list and revoke the tokens by which programs come to REST and sockets."

    def verbs(self) -> Mapping[str, Verb]:
        return VERBS


def list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--account", default="", help="only those of that account")
    parser.add_argument("--all", action="store_true", help="also those that are revoked or expired")


def list_tokens(options: Namespace, screen: Screen) -> int:
    tokens = AccessToken.objects.all() if options.all else AccessToken.in_force()
    if options.account:
        tokens = tokens.filter(user=account(options.account))
    listed = list(tokens.select_related("user"))
    screen.answer([document(token) for token in listed], [line(token) for token in listed] or ["There are no tokens."])
    return OK


def create_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("account", help="whose token it is to be")
    parser.add_argument("name", help="what uses it")
    scopes = AccessToken.Scope.values
    parser.add_argument("--scope", choices=scopes, default=AccessToken.Scope.VIEWER.value, help="what it may do")
    parser.add_argument("--processor", action="append", default=[], help="only batches of this one; may be repeated")
    parser.add_argument("--days", type=float, help="expires after so many days; else it does not")
    parser.add_argument(
        "--survives-password-change", action="store_true", help="stays valid when the account's password changes"
    )


def create(options: Namespace, screen: Screen) -> int:
    request = operations.TokenRequest(
        user=account(options.account),
        name=options.name,
        scope=options.scope,
        processors=options.processor,
        expires_at=None if options.days is None else in_days(options.days),
        survives_password_change=options.survives_password_change,
    )
    new = operations.create_token(request, actor=COMMAND_LINE)
    screen.answer(document(new.token) | {"key": new.key}, [new.key])
    screen.remark("It is shown this once.")
    return OK


def in_days(days: float) -> Any:
    try:
        return timezone.now() + timedelta(days=days)
    except (OverflowError, ValueError):
        raise CommandError("--days: Not such a number of days.") from None


def revoke_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("token", help="its number, or the beginning that is shown of it")
    parser.add_argument("--reason", default="", help="why; it is shown beside the token")


def revoke(options: Namespace, screen: Screen) -> int:
    is_number = options.token.isdecimal() and len(options.token) < PREFIX_LENGTH
    condition = {"pk": int(options.token)} if is_number else {"prefix": options.token.rstrip("…")}
    token = AccessToken.objects.select_related("user").filter(**condition).first()
    if token is None:
        raise CommandError(f"There is no token {options.token}.")
    operations.revoke_token(token, actor=COMMAND_LINE, reason=options.reason)
    token.refresh_from_db()
    screen.answer(document(token), [line(token)])
    return OK


def account(name: str) -> Any:
    owner = accounts.named(name)
    if owner is None:
        raise CommandError(f"There is no account {name}.")
    return owner


def document(token: AccessToken) -> dict[str, Any]:
    """All that is stored of it, but for the digest."""
    fields = ("id", "name", "prefix", "scope", "processors", "state", "survives_password_change", "created_by")
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    more = ("last_used_address", "revoked_by", "revoked_reason")
    return {
        "account": token.user.get_username(),
        **{name: getattr(token, name) for name in fields},
        **{name: None if (at := getattr(token, name)) is None else iso_utc(at) for name in times},
        **{name: getattr(token, name) for name in more},
    }


def line(token: AccessToken) -> str:
    used = iso_utc(token.last_used_at) if token.last_used_at else "never"
    return (
        f"{token.pk:>5}  {token.prefix}…  {token.user.get_username():<20} {token.scope:<8} {token.state:<8} "
        f"{token.name}  (last used: {used})"
    )


VERBS = {
    "create": Verb("Make a token and print it: this once.", create, create_arguments, takes_id=False),
    "list": Verb("The tokens in force, the newest first.", list_tokens, list_arguments, takes_id=False),
    "revoke": Verb("End a token: it opens nothing any more.", revoke, revoke_arguments, takes_id=False),
}
