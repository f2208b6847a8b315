"""Error records, as JSON."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from batches.serializers import ReasonSerializer
from errors.models import BatchGroup, ErrorRecord


class ErrorRecordSerializer(serializers.ModelSerializer[ErrorRecord]):
    """One failed attempt; its message was freed of secrets when it was written."""

    fingerprint = serializers.CharField(source="group.fingerprint", read_only=True)

    class Meta:
        model = ErrorRecord
        fields = (
            *("id", "item_key", "position", "attempt", "error_type", "code", "category", "classified_by", "message"),
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
    assignee = serializers.CharField(source="group.assignee.username", default=None, allow_null=True, read_only=True)

    class Meta:
        model = BatchGroup
        fields = (
            *("fingerprint", "title", "state", "category", "code", "error_type", "assignee"),
            *("errors", "items", "first_seen", "last_seen"),
        )
        read_only_fields = fields


class AssignSerializer(ReasonSerializer):
    """To whom; null for nobody."""

    user: Any = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True
    )


class NoteSerializer(ReasonSerializer):
    """A remark; `reason` holds its text."""

    reason = serializers.CharField(max_length=2_000)
