"""REST routes of the triage app."""

from django.urls import re_path

from errors import views

urlpatterns = [
    re_path(r"^batches/(?P<batch_id>[^/]+)/errors/?$", views.ErrorReport.as_view(), name="batch-errors"),
    re_path(r"^batches/(?P<batch_id>[^/]+)/errors/records/?$", views.ErrorRecordList.as_view(), name="batch-error-records"),
]
