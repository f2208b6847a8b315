"""REST routes of the triage app."""

from batches.routes import route
from errors import views

urlpatterns = [
    *route("batches/<str:batch_id>/errors", views.ErrorReport.as_view(), "batch-errors"),
    *route("batches/<str:batch_id>/errors/records", views.ErrorRecordList.as_view(), "batch-error-records"),
    *route("batches/<str:batch_id>/errors/findings", views.ErrorFindings.as_view(), "batch-error-findings"),
]
