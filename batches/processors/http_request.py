"""`http_request`: one HTTP call an item. Method, URL, headers and body are templates over the row: `${column}`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django import forms
from django.core.exceptions import ValidationError

from batches import outbound
from batches.conf import settings
from batches.known_secrets import SECRET_ENVIRONMENT
from batches.processors import Context, ItemError, processor
from batches.redaction import redact_values

if TYPE_CHECKING:
    import httpx

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
WITH_BODY = ("POST", "PUT", "PATCH")
SHOWN_BODY = 500
KEPT_BODY = 16 * 1024
SECRET = re.compile(r"\$\{secret\.([A-Z0-9_]+)\}")
STATUSES = re.compile(r"^\s*\d{3}(\s*-\s*\d{3})?(\s*,\s*\d{3}(\s*-\s*\d{3})?)*\s*$")
NO_ANSWER_BEHIND = (502, 504)


class RowTemplate(Template):
    """`${name}` only, with whatever a column may be called; a lone dollar is a dollar."""

    pattern = r"\$(?:(?P<escaped>\$)|(?P<named>(?!))|\{(?P<braced>[^{}]+)\}|(?P<invalid>(?!)))"  # type: ignore[assignment]


class HttpRequestForm(forms.Form):
    """The HTTP call to be made for every row, and which answers are successes."""

    method = forms.ChoiceField(choices=[(name, name) for name in METHODS], initial="POST")
    url = forms.CharField(
        label="URL", max_length=2000, help_text="${column} puts in a value of the row, quoted for a URL."
    )
    headers = forms.CharField(
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One a line, Name: value. ${secret.NAME} is the environment's PORTAL_SECRET_NAME, and never shown.",
    )
    body = forms.CharField(
        required=False,
        max_length=64_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="JSON with ${column} inside its texts; a text that is only ${column} keeps the value's type. "
        "Empty: POST, PUT and PATCH send the whole row.",
    )
    success = forms.CharField(initial="200-299", required=False, help_text="Statuses that mean success: 200-299, 404.")
    timeout = forms.FloatField(initial=10.0, min_value=0.1, max_value=600, required=False, help_text="Seconds.")
    follow_redirects = forms.BooleanField(required=False)
    on_unknown = forms.ChoiceField(
        choices=[("retry", "Call again, under the same Idempotency-Key"), ("ask", "Wait for a person to decide")],
        initial="retry",
        required=False,
        label="A call whose outcome is unknown",
        help_text="After a crash or a lost answer. Choose a person if the receiver does not honour Idempotency-Key.",
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        host = re.match(r"^[a-z]+://([^/?#]*)", url)
        if not re.match(r"^https?://", url):
            raise ValidationError("Begin with http:// or https://.")
        if host and "${" not in host[1]:
            try:
                outbound.checked_url(RowTemplate(url).safe_substitute(AnyColumn()), settings.PORTAL_OUTBOUND_HOSTS)
            except outbound.OutboundRefused as refused:
                raise ValidationError(str(refused)) from None
        return url

    def clean_headers(self) -> str:
        text: str = self.cleaned_data["headers"]
        for line in text.splitlines():
            if line.strip() and ":" not in line:
                raise ValidationError(f"{line[:40]!r} is not a header: write Name: value, one a line.")
        for name, value in header_lines(text):
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not value.isprintable():
                raise ValidationError(f"{name[:40]!r} is not a header: write Name: value, one a line.")
            if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
                raise ValidationError(f"{name} is set by the portal.")
        for name in SECRET.findall(text):
            if SECRET_ENVIRONMENT + name not in os.environ:
                raise ValidationError(f"There is no {SECRET_ENVIRONMENT}{name} in the environment.")
        return text

    def clean_body(self) -> str:
        text: str = self.cleaned_data["body"]
        if text.strip():
            try:
                json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ValidationError(f"The body is not JSON: {error}") from None
        return text

    def clean_success(self) -> str:
        text: str = self.cleaned_data["success"] or "200-299"
        if not STATUSES.match(text):
            raise ValidationError("Write statuses and ranges, such as 200-299, 404.")
        return text

    def clean_timeout(self) -> float:
        return self.cleaned_data["timeout"] or 10.0

    def clean_on_unknown(self) -> str:
        return self.cleaned_data["on_unknown"] or "retry"


class AnyColumn(dict[str, str]):
    """A row in which every column is there, to look at what a template says of the host."""

    def __missing__(self, name: str) -> str:
        return "x"


@processor(
    "http_request",
    params=HttpRequestForm,
    effects="external",
    max_attempts=5,
    parallel=8,
    can_rehearse=False,
    on_unknown=lambda params: str(params.get("on_unknown", "retry")),
)
def http_request(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Make one HTTP call for each row; 429 and 503 are waited for, `Idempotency-Key` makes repeats harmless."""
    from httpx import HTTPError  # with the first call, not with every process

    params = context.params
    headers = headers_of(params, payload) | {"Idempotency-Key": context.idempotency_key}
    content = body_of(params, payload)
    if content is not None:
        headers.setdefault("Content-Type", "application/json")
    try:
        answer = outbound.send(
            params["method"],
            filled(params["url"], payload, in_url),
            headers=headers,
            content=content,
            timeout=params["timeout"],
            follow_redirects=params["follow_redirects"],
        )
    except outbound.OutboundRefused as refused:
        raise ItemError(str(refused), code="OUTBOUND_REFUSED", category="validation", retryable=False) from None
    except HTTPError as error:
        raise no_answer(error, asks=params["on_unknown"] == "ask") from error
    if answer.status not in statuses_of(params["success"]):
        raise refusal_of(answer, asks=params["on_unknown"] == "ask")
    return {"status": answer.status, "body": kept(answer)}


# -- what is sent ------------------------------------------------------------------------------------------------------


def filled(text: str, payload: dict[str, Any], put: Callable[[str, Any], str]) -> str:
    """The template with the row's values; a column that is not there fails the item."""

    def value_of(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        return put(match["braced"], column(payload, match["braced"]))

    return RowTemplate.pattern.sub(value_of, text)  # type: ignore[attr-defined, no-any-return]


def column(payload: dict[str, Any], name: str) -> Any:
    if name not in payload:
        raise ItemError(f"The row has no column {name!r}.", code="VALIDATION_FAILED", category="validation", field=name)
    return payload[name]


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def in_url(name: str, value: Any) -> str:
    text = as_text(value)
    if text in (".", "..", "") or value is None:
        message = f"Column {name!r} holds {text!r}, which has no place in a URL."
        raise ItemError(message, code="VALIDATION_FAILED", category="validation", field=name)
    return quote(text, safe="")


def in_header(name: str, value: Any) -> str:
    text = as_text(value)
    if not text.isascii() or not text.isprintable():
        message = f"Column {name!r} holds characters that no header can carry."
        raise ItemError(message, code="VALIDATION_FAILED", category="validation", field=name)
    return text


def header_lines(text: str) -> list[tuple[str, str]]:
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    return [(name.strip(), value.strip()) for name, _, value in lines]


def headers_of(params: dict[str, Any], payload: dict[str, Any]) -> dict[str, str]:
    headers = {}
    for name, value in header_lines(params["headers"]):
        shown, *secrets = SECRET.split(value)
        parts = [filled(shown, payload, in_header)]
        for secret, text in zip(secrets[::2], secrets[1::2], strict=True):
            parts += [os.environ.get(SECRET_ENVIRONMENT + secret, ""), filled(text, payload, in_header)]
        headers[name] = "".join(parts)
    return headers


def body_of(params: dict[str, Any], payload: dict[str, Any]) -> bytes | None:
    if params["body"].strip():
        return json.dumps(with_values(json.loads(params["body"]), payload)).encode()
    return json.dumps(payload).encode() if params["method"] in WITH_BODY else None


def with_values(template: Any, payload: dict[str, Any]) -> Any:
    """The template's JSON with the row's values in its texts; a text that is one placeholder becomes its value."""
    if isinstance(template, dict):
        return {key: with_values(value, payload) for key, value in template.items()}
    if isinstance(template, list):
        return [with_values(value, payload) for value in template]
    if not isinstance(template, str):
        return template
    alone = re.fullmatch(r"\$\{([^{}]+)\}", template)
    return column(payload, alone[1]) if alone else filled(template, payload, lambda _, value: as_text(value))


# -- what came back ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def statuses_of(text: str) -> frozenset[int]:
    """The statuses that "200-299, 404" names."""
    statuses: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        statuses |= set(range(int(first), int(last or first) + 1))
    return frozenset(statuses)


def refusal_of(answer: outbound.Answer, *, asks: bool) -> ItemError:
    """The failure a status stands for. One that says when to come back is waited for, and costs no attempt.

    A gateway that had no answer knows no more than we do: where a repeat does harm, a person has to look.
    """
    after = outbound.seconds_to_wait(answer.headers.get("Retry-After", ""))
    waits = answer.status == 429 or (answer.status == 503 and after is not None)
    body = redact_values(answer.text)[:SHOWN_BODY].strip()  # before it is cut, lest half a secret is left
    message = f"HTTP {answer.status}" + (f": {body}" if body else "")
    code = f"HTTP_{answer.status}"
    if waits:
        return ItemError(message, code=code, category="rate_limit", retryable=True, after=after)
    if asks and answer.status in NO_ANSWER_BEHIND:
        return ItemError(message, code="UNKNOWN_OUTCOME", category="unknown", retryable=False)
    return ItemError(message, code=code)


def no_answer(error: httpx.HTTPError, *, asks: bool) -> ItemError:
    """No answer came. Where a repeat does harm and the call may have arrived, a person has to look."""
    from httpx import ConnectError, ConnectTimeout, PoolTimeout, TimeoutException  # they are there by now

    what = str(error) or type(error).__name__
    if asks and not isinstance(error, (ConnectError, ConnectTimeout, PoolTimeout)):
        message = f"The call went out and no answer came: {what}"
        return ItemError(message, code="UNKNOWN_OUTCOME", category="unknown", retryable=False)
    if isinstance(error, TimeoutException):
        return ItemError(f"No answer in time: {what}", code="TIMEOUT", category="timeout", retryable=True)
    return ItemError(f"No connection: {what}", code="NETWORK_ERROR", category="network", retryable=True)


def kept(answer: outbound.Answer) -> Any:
    """The answer's body as the item's result: JSON if it is, else text; cut when it is long."""
    if len(answer.body) <= KEPT_BODY:
        try:
            return json.loads(answer.body, parse_constant=lambda name: None)
        except (ValueError, RecursionError):
            pass
    return redact_values(answer.text)[:KEPT_BODY].replace("\x00", "\ufffd")
