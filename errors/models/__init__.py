"""What failed: one record a failed attempt, grouped by the cause its message has in common with others."""

from errors.models.bulk_act import BulkAct
from errors.models.export import Export
from errors.models.findings import Findings, Timeline
from errors.models.group import STANDING, BatchGroup, ErrorGroup, GroupChange
from errors.models.group_move import GroupMove
from errors.models.recommendation import Advised, Recommendation
from errors.models.record import MANY_ATTEMPTS, ErrorRecord, Traceback
from errors.models.recovery_plan import PlanStep, RecoveryPlan

__all__ = [
    "MANY_ATTEMPTS",
    "STANDING",
    "Advised",
    "BatchGroup",
    "BulkAct",
    "ErrorGroup",
    "ErrorRecord",
    "Export",
    "Findings",
    "GroupChange",
    "GroupMove",
    "PlanStep",
    "Recommendation",
    "RecoveryPlan",
    "Timeline",
    "Traceback",
]
