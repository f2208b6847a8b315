"""What failed: one record a failed attempt, grouped by the cause its message has in common with others."""

from errors.models.bulk_act import BulkAct
from errors.models.export import Export
from errors.models.findings import Findings, Timeline
from errors.models.group import FAILS_OPENLY, BatchGroup, ErrorGroup, FailingCount, GroupChange, holds_errors
from errors.models.recommendation import AdviceRevision, Recommendation
from errors.models.record import MANY_ATTEMPTS, REPEATED, ErrorRecord, Traceback
from errors.models.recovery_plan import PlanStep, RecoveryPlan
from errors.models.regroup_job import RegroupJob

__all__ = [
    "FAILS_OPENLY",
    "MANY_ATTEMPTS",
    "REPEATED",
    "AdviceRevision",
    "BatchGroup",
    "BulkAct",
    "ErrorGroup",
    "ErrorRecord",
    "Export",
    "FailingCount",
    "Findings",
    "GroupChange",
    "PlanStep",
    "Recommendation",
    "RecoveryPlan",
    "RegroupJob",
    "Timeline",
    "Traceback",
    "holds_errors",
]
