"""What triage hangs into the engine."""

from __future__ import annotations

from batches.extensions import Extension, Scope
from batches.late_calls import late
from errors import receivers, removal
from errors.desk import engine_links
from errors.exports import ExportGone, ExportNotReady, ExportUnderWay, UnknownExport
from errors.exports.request import UnknownFormat
from errors.filters import scopes
from errors.recovery import advice_from_fixes, forecast
from errors.recovery.actions import UnknownAdvice
from errors.terminal import VERBS

EXTENSION = Extension(
    name="errors",
    item_failed=receivers.write_errors,
    describe_failures=receivers.group_rehearsed,
    items_corrected=advice_from_fixes.apply_correction_advice,
    items_given_up=receivers.make_final,
    needs_attention=engine_links.needs_attention,
    batch_transitioned=receivers.batch_transitioned,
    scopes={
        "group": Scope(scopes.items_of_group),
        "matching": Scope(scopes.items_of_matching),
        "where": Scope(scopes.items_where, reads_items=True),
    },
    failure_kind=scopes.last_group,
    permanent_failures=scopes.permanent_failures,
    predict_retry=forecast.predict_retry,
    broken_promises=scopes.failures_have_records,
    removal=removal.HOOKS,
    verbs=VERBS,
    rest_routes="errors.urls",
    http_statuses={
        UnknownAdvice: 404,
        UnknownFormat: 404,
        UnknownExport: 404,
        ExportNotReady: 409,
        ExportGone: 410,
        ExportUnderWay: 429,
    },
    navigation=engine_links.navigation,
    batch_links=engine_links.batch_links,
    item_links=engine_links.item_links,
    item_failures=late("errors.desk.item_failures.item_failures"),
    page_of=engine_links.page_of,
    retry_page=engine_links.retry_page,
    confirm_retry=late("errors.desk.views.retries.confirm_retry"),
)
