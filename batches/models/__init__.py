"""What is stored. The database is the truth: an item's status decides, everything else is a receipt or a hint."""

from batches.keys import ITEM_KEY_LENGTH
from batches.models.access import AccessToken, Allowance, FailedSignIn
from batches.models.batch import BATCH_ID, TRANSITIONS, Batch, may_follow
from batches.models.delivery import Delivery, StandingWatch, Watch, Webhook
from batches.models.fields import HexKeyField, positive_number
from batches.models.fix import Correction, Fix
from batches.models.global_pause import GlobalPause
from batches.models.history import MILESTONES, Milestone, Transition
from batches.models.idempotency import IdempotencyRecord
from batches.models.item import Item
from batches.models.lane import Checkpoint, Tenure
from batches.models.measurements import Map, Sample, Tally
from batches.models.parameters import ParameterFile
from batches.models.preference import Preference
from batches.models.quarantine import Quarantine, QuarantinedItem
from batches.models.quota import Quota, QuotaUse
from batches.models.rehearsal import Rehearsal
from batches.models.removal import Removal, RetentionRule, RetentionRun
from batches.models.retry import RetriedItem, Retry
from batches.models.worker import Crash, Worker

__all__ = [
    "BATCH_ID",
    "ITEM_KEY_LENGTH",
    "MILESTONES",
    "TRANSITIONS",
    "AccessToken",
    "Allowance",
    "Batch",
    "Checkpoint",
    "Correction",
    "Crash",
    "Delivery",
    "FailedSignIn",
    "Fix",
    "GlobalPause",
    "HexKeyField",
    "IdempotencyRecord",
    "Item",
    "Map",
    "Milestone",
    "ParameterFile",
    "Preference",
    "Quarantine",
    "QuarantinedItem",
    "Quota",
    "QuotaUse",
    "Rehearsal",
    "Removal",
    "RetentionRule",
    "RetentionRun",
    "RetriedItem",
    "Retry",
    "Sample",
    "StandingWatch",
    "Tally",
    "Tenure",
    "Transition",
    "Watch",
    "Webhook",
    "Worker",
    "may_follow",
    "positive_number",
]
