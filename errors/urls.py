"""REST routes of the triage app."""

from batches.rest.routes import route
from errors.rest import bulk_views, export_views, group_views, serializers, views

GROUPS = "batches/<str:batch_id>/errors/groups"
GROUP = f"{GROUPS}/<str:fingerprint>"
IN_BULK = {
    "acknowledge": serializers.BulkReasonSerializer,
    "resolve": serializers.BulkResolveSerializer,
    "ignore": serializers.BulkIgnoreSerializer,
    "reopen": serializers.BulkReasonSerializer,
    "assign": serializers.BulkAssignSerializer,
}
VERBS = {
    "acknowledge": group_views.ActOnGroup,
    "resolve": group_views.ResolveGroup,
    "ignore": group_views.IgnoreGroup,
    "reopen": group_views.ActOnGroup,
    "assign": group_views.AssignGroup,
    "note": group_views.NoteOnGroup,
    "merge": group_views.MergeGroup,
    "split": group_views.SplitGroup,
}
urlpatterns = [
    *route("batches/<str:batch_id>/errors", views.ErrorReport.as_view(), "batch-errors"),
    *route("batches/<str:batch_id>/errors/records", views.ErrorRecordList.as_view(), "batch-error-records"),
    *route("batches/<str:batch_id>/errors/recommendations", views.Recommendations.as_view(), "batch-recommendations"),
    *route(
        "batches/<str:batch_id>/errors/recommendations/<int:number>/apply",
        views.ApplyRecommendation.as_view(),
        "batch-recommendation-apply",
    ),
    *route(
        "batches/<str:batch_id>/errors/recommendations/<int:number>/dismiss",
        views.DismissRecommendation.as_view(),
        "batch-recommendation-dismiss",
    ),
    *route(
        "batches/<str:batch_id>/errors/recommendations/<int:number>/undo",
        views.UndoRecommendation.as_view(),
        "batch-recommendation-undo",
    ),
    *route("batches/<str:batch_id>/errors/plan", views.Plan.as_view(), "batch-plan"),
    *route("batches/<str:batch_id>/errors/plan/apply", views.ApplyPlan.as_view(), "batch-plan-apply"),
    *route("batches/<str:batch_id>/errors/plan/<int:number>/apply", views.ApplyStep.as_view(), "batch-plan-step-apply"),
    *route("batches/<str:batch_id>/errors/findings", views.ErrorFindings.as_view(), "batch-error-findings"),
    *route(
        "batches/<str:batch_id>/errors/export/<str:file_format>",
        export_views.ExportErrors.as_view(),
        "batch-error-export",
    ),
    *route("batches/<str:batch_id>/exports", export_views.ExportList.as_view(), "batch-exports"),
    *route("batches/<str:batch_id>/exports/<int:number>", export_views.ExportDetail.as_view(), "batch-export"),
    *route("batches/<str:batch_id>/exports/<int:number>/file", export_views.ExportFile.as_view(), "batch-export-file"),
    *route(
        "batches/<str:batch_id>/exports/<int:number>/cancel", export_views.CancelExport.as_view(), "batch-export-cancel"
    ),
    *route("batches/<str:batch_id>/errors/acts", bulk_views.BulkActs.as_view(), "batch-group-acts"),
    *route("batches/<str:batch_id>/errors/acts/<int:number>", bulk_views.BulkActDetail.as_view(), "batch-group-act"),
    *route(
        "batches/<str:batch_id>/errors/acts/<int:number>/undo", bulk_views.UndoBulkAct.as_view(), "batch-group-act-undo"
    ),
    *route(GROUPS, group_views.ErrorGroupList.as_view(), "batch-error-groups"),
]
for verb in ("run", "pause", "cancel"):
    urlpatterns += route(
        f"batches/<str:batch_id>/errors/plan/{verb}", views.RunPlan.as_view(verb=verb), f"batch-plan-{verb}"
    )
for verb, view in VERBS.items():
    urlpatterns += route(f"{GROUP}/{verb}", view.as_view(verb=verb), f"batch-group-{verb}")
for verb, serializer in IN_BULK.items():
    many = bulk_views.ActOnGroups.as_view(verb=verb, serializer_class=serializer)
    urlpatterns += route(f"{GROUPS}/{verb}", many, f"batch-groups-{verb}")
