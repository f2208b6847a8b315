"""Error records, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from errors.models import ErrorRecord


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
