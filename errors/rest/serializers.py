"""Error records, as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batches import accounts
from batches.rest.requests import ReasonSerializer, StrictMixin
from errors.filters.ageing import AGEING_MEANS
from errors.filters.rest_filter import STATES
from errors.models import BatchGroup, BulkAct, ErrorRecord

MOST_GROUPS = 1_000


class ErrorRecordSerializer(serializers.ModelSerializer[ErrorRecord]):
    """One failed attempt; its message was freed of secrets when it was written."""

    fingerprint = serializers.CharField(source="group.fingerprint", read_only=True)
    place = serializers.CharField(
        source="traceback.frame", default="", read_only=True, help_text="module.function it came from."
    )

    class Meta:
        model = ErrorRecord
        fields = (
            *("id", "item_key", "position", "attempt", "error_type", "code", "category", "classified_by", "message"),
            *("retryable", "asked_wait", "place"),
            *("fields", "final", "fingerprint", "started_at", "finished_at", "worker"),
        )
        read_only_fields = fields


class BatchGroupSerializer(serializers.ModelSerializer[BatchGroup]):
    """A group as it shows in one batch: `errors` are failed attempts, `items` are what failed."""

    fingerprint = serializers.CharField(source="group.fingerprint", read_only=True)
    title = serializers.CharField(source="group.title", read_only=True)
    state = serializers.CharField(source="group.state", read_only=True)
    category = serializers.CharField(source="group.category", read_only=True)
    code = serializers.CharField(source="group.code", read_only=True)
    error_type = serializers.CharField(source="group.error_type", read_only=True)
    assignee = serializers.CharField(
        source="group.assignee.get_username", default=None, allow_null=True, read_only=True
    )
    ageing = serializers.BooleanField(read_only=True, help_text=AGEING_MEANS)
    until = serializers.JSONField(source="group.until", read_only=True)
    resolved_in = serializers.CharField(source="group.resolved_in", read_only=True)
    late = serializers.IntegerField(source="group.late", read_only=True)
    clean_after = serializers.SerializerMethodField()
    merged = serializers.SerializerMethodField()

    class Meta:
        model = BatchGroup
        fields = (
            *("fingerprint", "title", "state", "ageing", "category", "code", "error_type", "assignee"),
            *("until", "resolved_in", "late", "clean_after", "merged"),
            *("errors", "items", "failing", "set_aside", "waiting", "first_seen", "last_seen"),
        )
        read_only_fields = fields

    def get_clean_after(self, row: BatchGroup) -> dict[str, Any] | None:
        """The bulk retry it waits for, to be resolved if that is clean."""
        retry = row.group.clean_after
        return {"batch_id": retry.batch_id, "number": retry.number} if retry else None

    def get_merged(self, row: BatchGroup) -> list[dict[str, str]]:
        """Fingerprints that count here because somebody said so; each can be taken out again."""
        return [{"fingerprint": group.fingerprint, "title": group.title} for group in row.group.merged.all()]


class MergeSerializer(ReasonSerializer):
    """Into which group of the batch."""

    into = serializers.CharField(max_length=16, help_text="Fingerprint of another error group of the batch.")


class SplitSerializer(ReasonSerializer):
    """Exactly one of: what was merged into the group and is to be taken out, or that every place gets its own."""

    fingerprint = serializers.CharField(required=False, max_length=16, help_text="One of the group's `merged`.")
    by = serializers.ChoiceField(required=False, choices=["place"], help_text="A group for each place in the code.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("fingerprint" in attrs) == ("by" in attrs):
            raise serializers.ValidationError("Give exactly one of `fingerprint` and `by`.")
        return attrs


class UntilSerializer(StrictMixin, serializers.Serializer[Any]):
    """Exactly one of them."""

    date = serializers.DateTimeField(required=False)
    items = serializers.IntegerField(required=False, help_text="More than so many items since now.")
    rate = serializers.FloatField(required=False, help_text="More than this percentage of a batch's items.")
    next_batch = serializers.BooleanField(required=False, help_text="A batch that is submitted after now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give exactly one condition; leave `until` out to ignore it for good.")
        return attrs


class IgnoreSerializer(ReasonSerializer):
    """Until when; without it until somebody reopens the group."""

    until = UntilSerializer(required=False)


class ResolveSerializer(ReasonSerializer):
    """From which version on it should not happen again, or which bulk retry of the batch is to be clean first."""

    in_version = serializers.CharField(required=False, max_length=50)
    retry = serializers.IntegerField(required=False, min_value=1, help_text="Number of a bulk retry of this batch.")


class AssignSerializer(ReasonSerializer):
    """To whom; null for nobody."""

    user: Any = serializers.SlugRelatedField(
        slug_field=accounts.name_field(), queryset=accounts.active(), allow_null=True
    )


class NoteSerializer(ReasonSerializer):
    """A remark; `reason` holds its text."""

    reason = serializers.CharField(max_length=2_000)


class GroupScopeSerializer(StrictMixin, serializers.Serializer[Any]):
    """Which groups of the batch: what the list filters by, or their fingerprints; empty: all of them."""

    state = serializers.ChoiceField(required=False, choices=STATES)
    category = serializers.CharField(required=False, max_length=12)
    code = serializers.CharField(required=False, max_length=64)
    q = serializers.CharField(required=False, max_length=200, help_text="The same as `text`.")
    text = serializers.CharField(required=False, max_length=200, help_text="Words of message, exception or code.")
    group = serializers.CharField(required=False, max_length=16, help_text="Fingerprint of an error group.")
    attempt = serializers.CharField(required=False, max_length=10, help_text="2, or 3+.")
    positions = serializers.CharField(required=False, max_length=24, help_text="Such as 400-419.")
    field = serializers.CharField(required=False, max_length=200, help_text="Such as country=DE.")
    since = serializers.CharField(required=False, max_length=40, help_text="A time with its zone.")
    until = serializers.CharField(required=False, max_length=40, help_text="A time with its zone.")
    ageing = serializers.BooleanField(required=False)
    fingerprints = serializers.ListField(
        required=False, child=serializers.CharField(max_length=16), max_length=MOST_GROUPS
    )


class Bulk(serializers.Serializer[Any]):
    """What is common to verbs upon many groups."""

    filter = GroupScopeSerializer()
    count = serializers.IntegerField(required=False, min_value=0, help_text="Refuse if it meets another number by now.")


class BulkReasonSerializer(Bulk, ReasonSerializer):
    pass


class BulkResolveSerializer(Bulk, ResolveSerializer):
    pass


class BulkIgnoreSerializer(Bulk, IgnoreSerializer):
    pass


class BulkAssignSerializer(Bulk, AssignSerializer):
    pass


class RefusedSerializer(serializers.Serializer[Any]):
    fingerprint = serializers.CharField()
    why = serializers.CharField()


class BulkResultSerializer(serializers.Serializer[Any]):
    """Fingerprints of the groups that were changed, and those that were not, with the reason; POST to `undo_url` takes
    the act back."""

    act = serializers.IntegerField(help_text="Its number in the batch.")
    changed = serializers.ListField(child=serializers.CharField())
    refused = RefusedSerializer(many=True)
    undo_url = serializers.CharField()


class NamedGroupSerializer(serializers.Serializer[Any]):
    fingerprint = serializers.CharField()
    title = serializers.CharField()


class ChangedGroupSerializer(NamedGroupSerializer):
    before = serializers.CharField(source="before.state", help_text="Its state before the act.")
    after = serializers.CharField(source="after.state")


class LeftGroupSerializer(NamedGroupSerializer):
    why = serializers.CharField()


class UndoneSerializer(serializers.Serializer[Any]):
    """`left`: groups that somebody has changed since the act, which stay as they are."""

    by = serializers.CharField()
    at = serializers.DateTimeField()
    left = LeftGroupSerializer(many=True)


class BulkActSerializer(serializers.ModelSerializer[BulkAct]):
    """A verb upon many groups. `undone` is null until somebody takes it back."""

    batch_id = serializers.CharField(read_only=True)
    changed = ChangedGroupSerializer(many=True, read_only=True)
    refused = LeftGroupSerializer(many=True, read_only=True)
    undone = serializers.SerializerMethodField()

    class Meta:
        model = BulkAct
        fields = ("batch_id", "number", "verb", "filter", "changed", "refused", "actor", "reason", "at", "undone")
        read_only_fields = fields

    @extend_schema_field(UndoneSerializer(allow_null=True))
    def get_undone(self, act: BulkAct) -> dict[str, Any] | None:
        return act.undone or None
