"""What the body of a request may say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batches import processors
from batches.exceptions import InvalidInput
from batches.intake.readers import FORMATS_TEXT
from batches.intake.readers.options import HELP
from batches.intake.readers.options import NAMES as FILE_OPTIONS
from batches.models import BATCH_ID, ITEM_KEY_LENGTH, Batch
from batches.operations.submission import OPTIONS, SAY_ITS_ZONE
from batches.processors import param_texts
from batches.rest.parsers import parsed
from batches.rest.serializers import OBJECT

MOST_KEYS = 10_000
NAMED = 20  # unknown fields
PART = "params."
"""What stands before the name of a parameter in the name of a form's part."""


class StrictMixin:
    """A name that is not known is refused: it would be a slip of the pen, or an attempt at what nobody may set."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()  # type: ignore[attr-defined]
        if unknown:
            raise serializers.ValidationError({str(name): ["Unknown field."] for name in sorted(unknown)[:NAMED]})
        return super().to_internal_value(data)  # type: ignore[misc]


class ParamsField(serializers.JSONField):
    """An object; in a form, its JSON text."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            value = parsed(data) if isinstance(data, str) else data
        except ValueError as error:
            raise serializers.ValidationError(f"Not usable JSON: {error}") from None
        if not isinstance(value, dict):
            raise serializers.ValidationError("Must be an object.")
        return value


@extend_schema_field({"type": "array", "items": OBJECT, "minItems": 1})
class ItemsField(serializers.Field[Any, Any, Any, Any]):
    """A list of objects; the reader checks each and names the row that cannot be an item."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise serializers.ValidationError("Must be a list of objects.")
        return data


class ZonedTimeField(serializers.DateTimeField):
    """A time with its zone: what has none is refused, not guessed."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            raise serializers.ValidationError(SAY_ITS_ZONE)
        return super().enforce_timezone(value)


class RunAgainSerializer(StrictMixin, serializers.ModelSerializer[Batch]):
    """What of a new batch may be another than of the one that it follows."""

    id = serializers.RegexField(
        rf"\A{BATCH_ID.pattern}",
        required=False,
        allow_blank=True,
        max_length=64,
        help_text="Made from the name if absent. The same again is the same batch.",
    )
    start = serializers.BooleanField(default=False, help_text="Start it at once.")
    start_at = ZonedTimeField(required=False, help_text="Start by itself then; with its zone. Not with `start`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("start") and attrs.get("start_at"):
            raise serializers.ValidationError({"start_at": ["At once, or at a time: not both."]})
        return attrs

    class Meta:
        model = Batch
        fields: tuple[str, ...] = ("id", "name", "start", "start_at")


class SubmissionSerializer(RunAgainSerializer):
    """What a submission may say, beside its items."""

    processor = serializers.CharField(max_length=100)
    params = ParamsField(required=False)
    key_column = serializers.CharField(required=False, allow_blank=True, max_length=500, trim_whitespace=False)

    class Meta(RunAgainSerializer.Meta):
        fields: tuple[str, ...] = ("processor", "params", "id", "name", "key_column", *OPTIONS, "start")


class ItemsSubmissionSerializer(SubmissionSerializer):
    items = ItemsField()

    class Meta(SubmissionSerializer.Meta):
        fields = (*SubmissionSerializer.Meta.fields, "items")


class FileOptionsMixin(serializers.Serializer[Any]):
    """How a file is to be read, where the portal would read it wrongly."""

    encoding = serializers.CharField(required=False, allow_blank=True, max_length=40, help_text=HELP["encoding"])
    delimiter = serializers.CharField(
        required=False, allow_blank=True, max_length=10, trim_whitespace=False, help_text=HELP["delimiter"]
    )
    sheet = serializers.CharField(required=False, allow_blank=True, max_length=200, help_text=HELP["sheet"])
    header_row = serializers.IntegerField(
        required=False, min_value=1, max_value=1_000_000, help_text=HELP["header_row"]
    )
    name_columns = serializers.BooleanField(required=False, help_text=HELP["name_columns"])
    short_rows = serializers.BooleanField(required=False, help_text=HELP["short_rows"])


def file_options_of(body: dict[str, Any]) -> dict[str, Any]:
    """Take the options of the file out of a body."""
    return {name: body.pop(name) for name in FILE_OPTIONS if name in body}


class FileSubmissionSerializer(FileOptionsMixin, SubmissionSerializer):
    """Parameters as JSON in `params`, or one by one in parts called `params.NAME`, files among them."""

    file = serializers.FileField(allow_empty_file=True, help_text=FORMATS_TEXT)

    class Meta(SubmissionSerializer.Meta):
        fields = (*SubmissionSerializer.Meta.fields, "file", *FILE_OPTIONS)

    def to_internal_value(self, data: Any) -> Any:
        fields, parts = QueryDict(mutable=True), {}
        for name, values in data.lists():
            if name.startswith(PART):
                parts[name.removeprefix(PART)] = values
            else:
                fields.setlist(name, values)
        return super().to_internal_value(fields) | {"param_parts": parts}


def submission_of(body: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `operations.submit` from what a serializer let through."""
    file_options = file_options_of(body := dict(body))
    arguments = {name: value for name, value in body.items() if name not in ("id", "start", "param_parts")}
    if parts := body.get("param_parts"):
        arguments["params"] = joined_params(body, parts)
    upload = body.get("file")
    if isinstance(upload, UploadedFile):
        arguments |= {"file": upload.file, "filename": upload.name or ""}
    return arguments | {"batch_id": body.get("id", ""), "file_options": file_options}


def joined_params(body: dict[str, Any], parts: dict[str, list[Any]]) -> dict[str, Any]:
    params = body.get("params", {})
    twice = sorted(set(params) & set(parts))
    if twice:
        message = "It stands in params and in a part of its own."
        raise InvalidInput(f"params.{twice[0]}: {message}", {f"params.{name}": [message] for name in twice})
    return params | param_texts.values_of(processors.get(body["processor"]), parts)


class ReasonSerializer(StrictMixin, serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=2_000)


class BudgetSerializer(ReasonSerializer):
    """What halts the batch from now on; null takes a limit away."""

    max_errors = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)
    max_error_rate = serializers.FloatField(required=False, allow_null=True, help_text="Percent.")


class GiveUpSerializer(ReasonSerializer):
    count = serializers.IntegerField(
        required=False, min_value=0, help_text="Refuse if it means another number of items by now."
    )


class FailedItemsSerializer(ReasonSerializer):
    """Failed items: all, by their keys, or those of an error group."""

    all_failed = serializers.BooleanField(required=False)
    item_keys = serializers.ListField(
        child=serializers.CharField(max_length=ITEM_KEY_LENGTH, trim_whitespace=False),
        required=False,
        max_length=MOST_KEYS,
    )
    group = serializers.CharField(required=False, max_length=64, help_text="Fingerprint of an error group.")


class ScopeSerializer(FailedItemsSerializer):
    """Which items: exactly one of `all_failed`, `item_keys`, `group`, `matching`, `positions`, `failed_between`,
    `code`, `unexplained`, `field` and `where`."""

    count = serializers.IntegerField(
        required=False, min_value=0, help_text="Refuse if it means another number of items by now."
    )
    positions = serializers.ListField(child=serializers.IntegerField(), required=False, min_length=2, max_length=2)
    failed_between = serializers.ListField(
        child=serializers.CharField(max_length=40), required=False, min_length=2, max_length=2
    )
    code = serializers.CharField(required=False, max_length=64)
    unexplained = serializers.BooleanField(
        required=False, help_text="True: items set aside as killers of workers that lived on."
    )
    field = serializers.DictField(required=False, help_text="A field of the payload: name and value.")
    matching = serializers.DictField(
        required=False, help_text="Every error group that a filter meets: state, category, code, text; empty: all."
    )
    where = serializers.DictField(required=False, help_text="What a finding says of the payload, as `conditions`.")


class RetryRequestSerializer(BudgetSerializer, ScopeSerializer):
    """Exactly one scope.

    With a `canary` so many items go first, the rest only if `needed` of them recover; null: as many of each as the page
    proposes. Items whose failure cannot pass unchanged are left out, unless `permanent` says otherwise. `rate` is in
    items a second, `concurrency` in lanes until the retry is over; none of the items runs before `after` seconds have
    passed. `max_errors` and `max_error_rate` are the batch's from then on.
    """

    canary = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=100_000)
    needed = serializers.IntegerField(required=False, min_value=0, max_value=100_000)
    rate = serializers.FloatField(required=False, min_value=0.001, max_value=1_000_000)
    after = serializers.FloatField(required=False, min_value=0, max_value=24 * 3600)
    concurrency = serializers.IntegerField(required=False, min_value=1, max_value=64)
    permanent = serializers.BooleanField(required=False)
    params = serializers.DictField(required=False, help_text="Other parameters of the processor, from now on.")


class RehearseRequestSerializer(FailedItemsSerializer):
    """All that would run, or `sample` items of it; or failed items, by at most one of the others."""

    sample = serializers.IntegerField(required=False, min_value=1, max_value=10_000)


class DecisionSerializer(ReasonSerializer):
    item_key = serializers.CharField(max_length=ITEM_KEY_LENGTH, trim_whitespace=False)
    outcome = serializers.ChoiceField(choices=["succeeded", "failed"])


class AdjustSerializer(ReasonSerializer):
    """What to change; null takes a limit away."""

    concurrency = serializers.IntegerField(required=False, min_value=1, max_value=64)
    rate = serializers.FloatField(required=False, allow_null=True, help_text="Items a second over all lanes.")
    start_at = ZonedTimeField(
        required=False, allow_null=True, help_text="When a pending batch starts by itself; null: a person starts it."
    )
    priority = serializers.ChoiceField(
        choices=Batch.Priority.choices, required=False, help_text="Whose turn it is first among batches that wait."
    )
    max_attempts = serializers.IntegerField(required=False, min_value=1, max_value=100)
    item_timeout = serializers.FloatField(required=False, help_text="Seconds.")
    max_errors = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)
    max_error_rate = serializers.FloatField(required=False, allow_null=True, help_text="Percent.")
    rate_limit_attempts = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Rate-limited tries of an item before it fails."
    )
    rate_limit_seconds = serializers.FloatField(
        required=False, help_text="Seconds for which an item may go on being rate-limited before it fails."
    )
