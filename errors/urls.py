"""REST routes of the triage app."""

from batches.routes import route
from errors import views

GROUP = "batches/<str:batch_id>/errors/groups/<str:fingerprint>"
VERBS = {
    "acknowledge": views.ActOnGroup,
    "resolve": views.ResolveGroup,
    "ignore": views.IgnoreGroup,
    "reopen": views.ActOnGroup,
    "assign": views.AssignGroup,
    "note": views.NoteOnGroup,
    "merge": views.MergeGroup,
    "split": views.SplitGroup,
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
    *route("batches/<str:batch_id>/errors/plan", views.Plan.as_view(), "batch-plan"),
    *route("batches/<str:batch_id>/errors/plan/apply", views.ApplyPlan.as_view(), "batch-plan-apply"),
    *route("batches/<str:batch_id>/errors/plan/<int:number>/apply", views.ApplyStep.as_view(), "batch-plan-step-apply"),
    *route("batches/<str:batch_id>/errors/findings", views.ErrorFindings.as_view(), "batch-error-findings"),
    *route("batches/<str:batch_id>/errors/groups", views.ErrorGroupList.as_view(), "batch-error-groups"),
]
for verb, view in VERBS.items():
    urlpatterns += route(f"{GROUP}/{verb}", view.as_view(verb=verb), f"batch-group-{verb}")
