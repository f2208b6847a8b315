"""The triage app: it knows the engine, the engine does not know it."""

from django.apps import AppConfig


class ErrorsConfig(AppConfig):
    name = "errors"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from batches import operations, reports, retries, verification
        from batches import scopes as engine_scopes
        from errors import corrected, export_command, plan_runs, receivers, scopes, triage_commands, words  # noqa: F401

        operations.SCOPES |= {
            "group": scopes.items_of_group,
            "matching": scopes.items_of_matching,
            "where": scopes.items_where,
        }
        engine_scopes.BY_STATUS.add("where")
        retries.KINDS.append(scopes.last_group)
        retries.PERMANENT.append(scopes.hopeless)
        said = "What failed, what it has in common, and what to do about it."
        reports.ACTS["export"] = reports.Act(
            "What failed as a file: groups, errors, items, or the rows to correct.",
            export_command.arguments,
            export_command.run,
        )
        reports.ACTS |= triage_commands.ACTS
        reports.REPORTS["errors"] = reports.Report(said, words.document, words.lines)
        verification.CHECKS.append(scopes.failures_have_records)
