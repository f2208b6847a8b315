"""Batches and what belongs to them, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batches import accounts, operations, progress_tracker
from batches.engine.waiting_reasons import WaitingReasons
from batches.models import Batch, Item, Quarantine, Rehearsal, Retry, Transition
from batches.operations.submission import OPTIONS
from batches.processors import Processor
from batches.progress_text import sentence_of, standing_of, waits_because
from batches.progress_tracker import Progress
from batches.redaction import redact, redact_text
from batches.rest.param_schema import params_schema
from batches.rest.schema import schema_of

OBJECT = {"type": "object", "additionalProperties": {}}


@extend_schema_field(OBJECT)
class RedactedField(serializers.JSONField):
    """JSON whose secrets are masked."""

    def to_representation(self, value: Any) -> Any:
        return redact(value)


class BatchSerializer(serializers.ModelSerializer[Batch]):
    """A batch with its progress, which the view has fetched for all of them."""

    params = RedactedField(read_only=True)
    source = RedactedField(read_only=True)  # type: ignore[assignment]
    created_by = serializers.SlugRelatedField(accounts.name_field(), read_only=True, allow_null=True)  # type: ignore[var-annotated]
    status_text = serializers.SerializerMethodField()
    sentence = serializers.SerializerMethodField()
    waits_because = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    outcome = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = (
            *("id", "name", "processor", "params", "status", "status_text", "sentence", "waits_because"),
            *("reason", "outcome", "total_items", "source"),
            *OPTIONS,
            *("follows", "created_by", "created_at", "started_at", "finished_at", "progress"),
        )
        read_only_fields = fields

    @extend_schema_field(schema_of(Progress))
    def get_progress(self, batch: Batch) -> dict[str, Any]:
        return self.progress_of(batch).to_dict()

    def get_status_text(self, batch: Batch) -> str:
        """The status for people; of a batch that waits what it waits for, as in `Paused everywhere`."""
        return standing_of(batch, self.progress_of(batch), self.context.get("reasons")).label

    def get_sentence(self, batch: Batch) -> str:
        return sentence_of(batch, self.progress_of(batch), UTC, self.context.get("reasons"))

    def get_waits_because(self, batch: Batch) -> str:
        """Why it waits for workers, and behind what; empty: it does not."""
        return waits_because(batch, self.progress_of(batch), self.context.get("reasons"))

    def get_outcome(self, batch: Batch) -> str | None:
        return self.progress_of(batch).outcome

    def progress_of(self, batch: Batch) -> Progress:
        progress: Mapping[str, Progress] = self.context["progress"]
        return progress[batch.pk]


class BatchPageSerializer(BatchSerializer):
    """One batch, with the verbs that are legal now."""

    legal_verbs = serializers.SerializerMethodField()

    class Meta(BatchSerializer.Meta):
        fields = (*BatchSerializer.Meta.fields, "legal_verbs")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    def get_legal_verbs(self, batch: Batch) -> list[str]:
        return operations.legal_verbs(batch)


def page_of(batch: Batch) -> dict[str, Any]:
    """A batch as its own page shows it."""
    progress = progress_tracker.progress_of([batch])
    return dict(BatchPageSerializer(batch, context={"progress": progress, "reasons": WaitingReasons()}).data)


class ItemSerializer(serializers.ModelSerializer[Item]):
    payload = RedactedField(read_only=True)
    result = RedactedField(read_only=True, allow_null=True)
    message = serializers.SerializerMethodField()

    class Meta:
        model = Item
        fields = (
            *("position", "key", "status", "attempts", "lane", "payload", "result", "message", "code"),
            *("available_at", "failed_at", "started_at", "finished_at"),
        )
        read_only_fields = fields

    def get_message(self, item: Item) -> str:
        return redact_text(item.message, item.payload)


class TransitionSerializer(serializers.ModelSerializer[Transition]):
    class Meta:
        model = Transition
        fields = ("verb", "from_status", "to_status", "reason", "actor", "counters", "at")
        read_only_fields = fields


class RetrySerializer(serializers.ModelSerializer[Retry]):
    batch_id = serializers.CharField(read_only=True)
    scope = RedactedField(read_only=True)
    outcome = serializers.SerializerMethodField()

    class Meta:
        model = Retry
        fields = (
            *("batch_id", "number", "kind", "scope", "state", "note", "items", "canary", "needed", "rate", "permanent"),
            *("not_before", "predicted", "reason", "actor", "created_at", "finished_at", "outcome"),
        )
        read_only_fields = fields

    def get_outcome(self, retry: Retry) -> dict[str, int]:
        return retry.outcome()


class QuarantineSerializer(serializers.ModelSerializer[Quarantine]):
    batch_id = serializers.CharField(read_only=True)
    scope = RedactedField(read_only=True)

    class Meta:
        model = Quarantine
        fields = ("batch_id", "number", "scope", "items", "reason", "actor", "created_at", "back_at", "back_by")
        read_only_fields = fields


class RehearsalSerializer(serializers.Serializer[Rehearsal]):
    """The report so far; `state` says whether it is whole."""

    batch_id = serializers.CharField()
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Rehearsal.State.choices)
    note = serializers.CharField()
    scope = RedactedField()
    items = serializers.IntegerField()
    done = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    skipped = serializers.IntegerField()
    failed = serializers.IntegerField()
    total_errors = serializers.IntegerField()
    error_rate = serializers.FloatField(help_text="Percent of the items rehearsed so far.")
    errors_by_type = serializers.DictField(child=serializers.IntegerField())
    errors_by_code = serializers.DictField(child=serializers.IntegerField())
    groups = serializers.ListField(child=serializers.DictField())
    problematic_items = serializers.ListField(child=serializers.DictField())
    actor = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, rehearsal: Rehearsal) -> Any:
        return super().to_representation(rehearsal.to_dict())  # type: ignore[arg-type]


class ProcessorSerializer(serializers.Serializer[Processor]):
    name = serializers.CharField()
    description = serializers.CharField()
    effects = serializers.CharField()
    checkpoint_every = serializers.IntegerField()
    max_attempts = serializers.IntegerField()
    item_timeout = serializers.FloatField(allow_null=True)
    can_rehearse = serializers.BooleanField()
    params = serializers.SerializerMethodField()

    @extend_schema_field(OBJECT)
    def get_params(self, processor: Processor) -> dict[str, Any]:
        """Its parameters as a JSON Schema."""
        return params_schema(processor)
