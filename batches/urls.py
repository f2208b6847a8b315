"""REST routes of the engine; a slash at the end is optional."""

from __future__ import annotations

from drf_spectacular.views import SpectacularSwaggerSplitView

from batches.rest import (
    act_views,
    batch_views,
    fix_views,
    pause_views,
    removal_views,
    retry_views,
    token_views,
    watch_views,
    worker_views,
)
from batches.rest.routes import route
from batches.rest.schema_view import SchemaView

DOCS = SpectacularSwaggerSplitView.as_view(
    url_name="schema", template_name="batches/api_docs.html", metadata_class=None
)

urlpatterns = [
    *route("batches", batch_views.BatchList.as_view(), "batches"),
    *route("batches/<str:batch_id>", removal_views.BatchDetail.as_view(), "batch"),
    *route("batches/<str:batch_id>/progress", batch_views.BatchProgress.as_view(), "batch-progress"),
    *route("batches/<str:batch_id>/velocity", batch_views.BatchVelocity.as_view(), "batch-velocity"),
    *route("batches/<str:batch_id>/map", batch_views.BatchMapView.as_view(), "batch-map"),
    *route("batches/<str:batch_id>/checkpoint", batch_views.BatchCheckpoint.as_view(), "batch-checkpoint"),
    *route("batches/<str:batch_id>/items", batch_views.BatchItems.as_view(), "batch-items"),
    *route("batches/<str:batch_id>/transitions", batch_views.BatchTransitions.as_view(), "batch-transitions"),
    *route("batches/<str:batch_id>/start", act_views.SteerBatch.as_view(verb="start"), "batch-start"),
    *route("batches/<str:batch_id>/pause", act_views.SteerBatch.as_view(verb="pause"), "batch-pause"),
    *route("batches/<str:batch_id>/resume", act_views.ResumeBatch.as_view(), "batch-resume"),
    *route("batches/<str:batch_id>/cancel", act_views.SteerBatch.as_view(verb="cancel"), "batch-cancel"),
    *route("batches/<str:batch_id>/retry", retry_views.RetryBatch.as_view(), "batch-retry"),
    *route("batches/<str:batch_id>/retries", retry_views.RetryList.as_view(), "batch-retries"),
    *route("batches/<str:batch_id>/retries/<int:number>", retry_views.RetryDetail.as_view(), "batch-retry-detail"),
    *(
        pattern
        for verb in ("pause", "resume", "cancel")
        for pattern in route(
            f"batches/<str:batch_id>/retries/<int:number>/{verb}",
            retry_views.SteerRetry.as_view(verb=verb),
            f"batch-retry-{verb}",
        )
    ),
    *route("batches/<str:batch_id>/asides", retry_views.QuarantineItems.as_view(), "batch-asides"),
    *route(
        "batches/<str:batch_id>/asides/<int:number>/bring_back", retry_views.ReturnItems.as_view(), "batch-bring-back"
    ),
    *route("batches/<str:batch_id>/fixes", fix_views.Fixes.as_view(), "batch-fixes"),
    *route("batches/<str:batch_id>/fixes/<int:number>", fix_views.FixDetail.as_view(), "batch-fix"),
    *route("batches/<str:batch_id>/fixes/<int:number>/rows", fix_views.FixRows.as_view(), "batch-fix-rows"),
    *route("batches/<str:batch_id>/run_again", act_views.RunAgain.as_view(), "batch-run-again"),
    *route("batches/<str:batch_id>/adjust", act_views.AdjustBatch.as_view(), "batch-adjust"),
    *route("batches/<str:batch_id>/give_up", act_views.GiveUpItems.as_view(), "batch-give-up"),
    *route("batches/<str:batch_id>/rehearse", act_views.RehearseBatch.as_view(), "batch-rehearse"),
    *route("batches/<str:batch_id>/rehearsals/<int:number>", act_views.RehearsalDetail.as_view(), "batch-rehearsal"),
    *route("batches/<str:batch_id>/watch", act_views.WatchBatch.as_view(), "batch-watch"),
    *route("watches", watch_views.Watches.as_view(), "watches"),
    *route("batches/<str:batch_id>/decide", act_views.DecideCall.as_view(), "batch-decide"),
    *route("batches/<str:batch_id>/archive", removal_views.ArchiveBatch.as_view(), "batch-archive"),
    *route("batches/<str:batch_id>/removal", removal_views.RemovalPlanView.as_view(), "batch-removal"),
    *route("removals", removal_views.RemovalList.as_view(), "removals"),
    *route("removals/<int:number>", removal_views.RemovalDetail.as_view(), "removal"),
    *route("workers", worker_views.WorkerList.as_view(), "workers"),
    *route("workers/notices", worker_views.NoticeList.as_view(), "workers-notices"),
    *route("pause", pause_views.PauseEverything.as_view(), "pause"),
    *route("processors", batch_views.ProcessorList.as_view(), "processors"),
    *route("tokens", token_views.Tokens.as_view(), "tokens"),
    *route("tokens/<int:number>", token_views.TokenDetail.as_view(), "token"),
    *route("schema", SchemaView.as_view(), "schema"),
    *route("docs", DOCS, "docs"),
]
