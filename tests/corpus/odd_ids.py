"""Ids that no batch has, values that mean nothing, and the addresses in which each is asked for."""

from __future__ import annotations

ODD = (
    *("%00", "a%00b", "%22", "%27", "..", "%2e%2e", "a%2Fb", "%E2%80%AE", "%0d%0aX", "x" * 300, "%F0%9F%92%A5", "%ff"),
    *("_5F", "%252e%252e%252f", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%5C..%5C", "-1", "None", "%EF%BC%8F", "+"),
)
ODD_VALUES = (
    "%00",
    "x%00y",
    "%ED%A0%80",
    "%ff",
    "1e999",
    "99999999999999999999",
    "%E2%80%AE",
    "(",
    "0001-01-01T00:00%2B14",
)
REST_PATHS = (
    "/api/batches/{}",
    "/api/batches/{}/items",
    "/api/batches/{}/errors/export/csv",
    "/api/batches/b1/errors/export/{}",
    "/api/batches/b1/errors/groups/{}/acknowledge",
)
PAGE_PATHS = (
    "/admin/batches/batch/{}/change/",
    "/admin/batches/batch/{}/history/",
    "/admin/batches/batch/{}/delete/",
    "/admin/batches/batch/{}/act/start/",
    "/admin/batches/batch/{}/rehearse/",
    "/admin/batches/batch/add/{}/",
    "/admin/batches/batch/b1/act/{}/",
    "/admin/errors/errorgroup/desk/{}/",
    "/admin/errors/errorgroup/{}/change/",
    "/admin/{}/",
    "/{}",
)
