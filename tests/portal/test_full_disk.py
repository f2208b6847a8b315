"""A full disk speaks: at the upload, on pages and over REST; a directory that cannot be written is refused at start."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client

from batches import operations
from batchportal import full_disk, private_files
from tests.helpers.people import client
from tests.helpers.starts import start

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
FULL = [OSError(errno.ENOSPC, "No space left on device"), OperationalError("database or disk is full")]


@pytest.fixture(params=FULL, ids=["file", "database"])
def full(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(**more: Any) -> None:
        raise request.param

    monkeypatch.setattr(operations, "submit", submit)


def test_an_upload_over_rest_is_told_what_to_free(full: None, settings: Any, tmp_path: Path) -> None:
    settings.PORTAL_VAR = tmp_path
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "old.csv").write_bytes(bytes(3 * 1024 * 1024))
    answer = client("operator").post(
        "/api/batches", {"processor": "check_rows", "file": SimpleUploadedFile("a.csv", b"n\n1\n")}, format="multipart"
    )
    told = answer.json()
    assert (answer.status_code, told["title"]) == (507, "Insufficient Storage")
    assert "exports 3.0 MB" in told["detail"]
    assert "nothing of this was stored" in told["detail"]


def test_an_upload_on_the_page_is_told_what_to_free(full: None, user_of: Any) -> None:
    visitor = Client(raise_request_exception=False)
    visitor.force_login(user_of("operator"))
    file = SimpleUploadedFile("a.csv", b"n\n1\n")
    answer = visitor.post(
        "/admin/batches/batch/add/check_rows/", {"file": file, "params.schema": "{}", "concurrency": "1"}
    )
    assert answer.status_code == 507
    assert b"Free under PORTAL_VAR" in answer.content


def test_a_body_that_could_not_be_kept_is_answered_in_words() -> None:
    sent: list[dict[str, Any]] = []

    async def keeps_nothing(scope: Any, receive: Any, send: Any) -> None:
        raise FULL[0]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(full_disk.speaking(keeps_nothing)({}, None, send))
    assert sent[0]["status"] == 507
    assert b"PORTAL_VAR" in sent[1]["body"]


def test_other_troubles_stay_what_they_were() -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        asyncio.run(full_disk.speaking(breaks)({}, None, None))


def test_a_directory_that_cannot_be_written_is_refused_at_start_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(**more: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(private_files, "TemporaryFile", read_only)
    with pytest.raises(
        ImproperlyConfigured, match=r"PORTAL_VAR must be .* can write to: .*: Read-only file system\. Make"
    ):
        private_files.make_writable(tmp_path)


def test_it_starts_in_words_where_the_directory_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    started = start(tmp_path / "file" / "var")
    assert started.returncode != 0
    assert "PORTAL_VAR must be a directory that this user can write to" in started.stderr


def test_a_full_disk_is_no_reason_not_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_one(**more: Any) -> None:
        raise FULL[0]

    monkeypatch.setattr(private_files, "TemporaryFile", full_one)
    private_files.make_writable(tmp_path)
