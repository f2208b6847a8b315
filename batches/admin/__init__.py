"""The operators' pages, inside Django's admin: batches, their items, who works, who is told, who is let in, and what
goes in time. Every act calls `batches.operations`."""

from batches.admin.access import ReadOnly
from batches.admin.access_admin import FailedSignInAdmin, TokenAdmin
from batches.admin.batch_admin import BatchAdmin
from batches.admin.delivery_admin import DeliveryAdmin, WebhookAdmin
from batches.admin.item_admin import ItemAdmin
from batches.admin.key_search import batches_with_key, counted_rows, forms_of_key
from batches.admin.long_lists import CappedPaginator, LongListAdmin
from batches.admin.retention_admin import RemovalAdmin, RetentionRuleAdmin
from batches.admin.worker_admin import WorkerAdmin

__all__ = [
    "BatchAdmin",
    "CappedPaginator",
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
    "batches_with_key",
    "counted_rows",
    "forms_of_key",
]
