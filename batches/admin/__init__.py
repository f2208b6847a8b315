"""The operators' pages, inside Django's admin: batches, their items, who works, who is told, who is let in, and what
goes in time. Every act calls `batches.operations`."""

from batches.admin.access import ReadOnly
from batches.admin.access_admin import FailedSignInAdmin, TokenAdmin
from batches.admin.batch_admin import BatchAdmin
from batches.admin.delivery_admin import DeliveryAdmin, WebhookAdmin
from batches.admin.item_admin import ItemAdmin
from batches.admin.long_lists import LongListAdmin
from batches.admin.retention_admin import RemovalAdmin, RetentionRuleAdmin
from batches.admin.worker_admin import WorkerAdmin

__all__ = [
    "BatchAdmin",
    "DeliveryAdmin",
    "FailedSignInAdmin",
    "ItemAdmin",
    "LongListAdmin",
    "ReadOnly",
    "RemovalAdmin",
    "RetentionRuleAdmin",
    "TokenAdmin",
    "WebhookAdmin",
    "WorkerAdmin",
]
