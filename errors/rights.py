"""The right that every door of triage checks, by Django's permission name; `batches.rights` has the engine's."""

TRIAGE = "errors.triage_error"
