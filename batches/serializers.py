"""How REST shows batches and items, and what it takes to submit one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from batches.models import Batch, Item, Retry, Transition
from batches.operations import legal_verbs
from batches.redaction import redact


class Redacted(serializers.JSONField):
    """JSON with secret values masked."""

    def to_representation(self, value: Any) -> Any:
        return redact(value)


class BatchSerializer(serializers.ModelSerializer[Batch]):
    params = Redacted(read_only=True)
    sentence = serializers.CharField(read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)
    legal_verbs = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = [
            *("id", "name", "processor", "params", "status", "sentence", "reason", "total_items", "source"),
            *("concurrency", "checkpoint_every", "rate", "max_attempts", "item_timeout", "max_errors", "max_error_rate"),
            *("created_by", "created_at", "started_at", "finished_at", "legal_verbs"),
        ]
        read_only_fields = fields

    def get_legal_verbs(self, batch: Batch) -> list[str]:
        return legal_verbs(batch)


class ItemSerializer(serializers.ModelSerializer[Item]):
    payload = Redacted(read_only=True)
    result = Redacted(read_only=True)

    class Meta:
        model = Item
        fields = [
            *("position", "key", "status", "attempts", "payload", "result", "message", "code"),
            *("available_at", "started_at", "finished_at"),
        ]
        read_only_fields = fields


class TransitionSerializer(serializers.ModelSerializer[Transition]):
    class Meta:
        model = Transition
        fields = ["verb", "from_status", "to_status", "reason", "actor", "counters", "at"]
        read_only_fields = fields


class RetrySerializer(serializers.ModelSerializer[Retry]):
    outcome = serializers.SerializerMethodField()

    class Meta:
        model = Retry
        fields = ["number", "scope", "items", "reason", "actor", "created_at", "outcome"]
        read_only_fields = fields

    def get_outcome(self, retry: Retry) -> dict[str, int]:
        return retry.outcome()


class Options(serializers.Serializer[Any]):
    """What may be said about a submission beside its items; `batches.operations` checks the values."""

    processor = serializers.CharField(max_length=100)
    params = serializers.JSONField(required=False, help_text="An object; in a multipart request, as JSON text.")
    id = serializers.CharField(required=False, allow_blank=True, max_length=200)
    name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    key_column = serializers.CharField(required=False, allow_blank=True, max_length=200)
    encoding = serializers.CharField(required=False, allow_blank=True, max_length=40)
    concurrency = serializers.IntegerField(required=False)
    checkpoint_every = serializers.IntegerField(required=False)
    rate = serializers.FloatField(required=False, allow_null=True)
    max_attempts = serializers.IntegerField(required=False)
    item_timeout = serializers.FloatField(required=False)
    max_errors = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)
    max_error_rate = serializers.FloatField(required=False, allow_null=True)
    start = serializers.BooleanField(required=False, default=False)


class SubmitItems(Options):
    items = serializers.ListField(child=serializers.JSONField(), allow_empty=True)


class SubmitFile(Options):
    file = serializers.FileField(allow_empty_file=True)


class Reason(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=2_000)


class RetryScope(Reason):
    all_failed = serializers.BooleanField(required=False)
    item_keys = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=10_000)
    group = serializers.CharField(required=False, max_length=64)
