"""The peer of `bench.exports`: a view as one would write it by hand, in a web process of its own.

The same rows and columns, by keyset in blocks of 2,000 through an asynchronous iterator and `csv.writer`; no look at
what a cell holds, at what the client has taken, or at who asks. `python -m tests.bench.plain_export`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import AsyncIterator
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
django.setup()

from asgiref.sync import sync_to_async  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpRequest, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from errors.models import ErrorRecord  # noqa: E402

BLOCK = 2_000
READ = (
    *("pk", "batch_id", "position", "item_key", "attempt", "started_at", "finished_at", "worker", "category"),
    *("error_type", "code", "message", "group__title", "group_id", "group__state", "retryable", "item__status"),
    "traceback_id",
)


def block(last: int) -> tuple[int, str]:
    found = list(ErrorRecord.objects.filter(batch="big", pk__gt=last).order_by("pk").values_list(*READ)[:BLOCK])
    text = io.StringIO()
    write = csv.writer(text).writerow
    for row in found:
        begun, ended = row[5], row[6]
        milliseconds = (ended - begun).total_seconds() * 1000
        address = f"{settings.PORTAL_URL}/admin/errors/errorrecord/{row[0]}/change/"
        write([*row[1:5], begun.isoformat(), ended.isoformat(), milliseconds, *row[7:], address])
    return (found[-1][0] if found else 0), text.getvalue()


async def blocks() -> AsyncIterator[str]:
    last, text = await sync_to_async(block)(0)
    while last:
        yield text
        last, text = await sync_to_async(block)(last)


def plain(request: HttpRequest) -> Any:
    return StreamingHttpResponse(blocks(), content_type="text/csv")


urlpatterns = [path("plain", plain)]
settings.ROOT_URLCONF = "tests.bench.plain_export"
settings.MIDDLEWARE = []
application = get_asgi_application()

if __name__ == "__main__":
    from batchportal.server import main

    main(["-b", "127.0.0.1", "-p", os.environ["PORT"], "-v", "0", "tests.bench.plain_export:application"])
