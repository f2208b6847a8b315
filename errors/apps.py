"""The triage app: it knows the engine, the engine does not know it."""

from django.apps import AppConfig


class ErrorsConfig(AppConfig):
    name = "errors"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from batches import operations, reports
        from batches.lifecycle import retry_selection
        from batches.lifecycle import scopes as engine_scopes
        from batches.operations import verification
        from errors import receivers  # noqa: F401
        from errors.filters import scopes
        from errors.recovery import advice_from_fixes, plan_runs  # noqa: F401
        from errors.terminal import export_command, report_text, triage_commands

        operations.SCOPES |= {
            "group": scopes.items_of_group,
            "matching": scopes.items_of_matching,
            "where": scopes.items_where,
        }
        engine_scopes.TAKING_STATUSES.add("where")
        retry_selection.KINDS.append(scopes.last_group)
        retry_selection.PERMANENT.append(scopes.permanent_failures)
        said = "What failed, what it has in common, and what to do about it."
        reports.ACTS["export"] = reports.Act(
            "What failed as a file: groups, errors, items, or the rows to correct.",
            export_command.arguments,
            export_command.run,
        )
        reports.ACTS |= triage_commands.ACTS
        reports.REPORTS["errors"] = reports.Report(said, report_text.document, report_text.lines)
        verification.CHECKS.append(scopes.failures_have_records)
