"""The page "Retention": the rules, what each would do now, what the last runs did, and what is going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from batches.lifecycle import retention
from batches.lifecycle.retention import DryRun
from batches.models import Removal, RetentionRule, RetentionRun
from batches.operations import BYTES_PER_ITEM

SHOWN_RUNS, SHOWN_REMOVALS = 10, 20


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule and its dry run; `url` is where it is changed, empty for one of the settings."""

    rule: RetentionRule
    dry_run: DryRun
    database_bytes: int
    kept: str
    url: str


@dataclass(frozen=True, slots=True)
class RetentionPage:
    rules: Sequence[RuleRow]
    from_settings: bool
    """Nobody has made a rule: the settings say them."""
    runs: Sequence[tuple[RetentionRun, str]]
    removals: Sequence[Removal]
    most_per_run: int


def retention_page() -> RetentionPage:
    rules = retention.rules()
    removals = Removal.objects.order_by("-pk")
    return RetentionPage(
        rules=[rule_row(rule) for rule in rules],
        from_settings=all(rule.pk is None for rule in rules),
        runs=[(run, kept_text(run.kept)) for run in RetentionRun.objects.all()[:SHOWN_RUNS]],
        removals=list(removals[:SHOWN_REMOVALS]),
        most_per_run=retention.MOST_PER_RUN,
    )


def rule_row(rule: RetentionRule) -> RuleRow:
    dry_run = retention.dry_run(rule)
    url = reverse("admin:batches_retentionrule_change", args=[rule.pk]) if rule.pk else ""
    return RuleRow(rule, dry_run, dry_run.items * BYTES_PER_ITEM, kept_text(dry_run.kept), url)


def kept_text(kept: dict[str, int] | object) -> str:
    """`3 unresolved, 1 watched`; empty if none stays."""
    return ", ".join(f"{n:,} {reason}" for reason, n in kept.items()) if isinstance(kept, dict) else ""
