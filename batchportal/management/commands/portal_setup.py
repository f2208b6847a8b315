"""`manage.py portal_setup`, `batchportal setup`: makes a portal ready, and leaves one that is so as it is."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from batches import operations
from batches.models import Batch
from batchportal import places

SAMPLE = "airports-sample"
SAMPLE_RATE = 60.0


class Command(BaseCommand):
    help = "Migrate and make the user admin: each only if it is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sample", action="store_true", help="submit the sample batch, too, unless it is here")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        self.make_admin()
        if options["sample"]:
            self.submit_sample()

    def make_admin(self) -> None:
        users = get_user_model()._default_manager
        name = {get_user_model().USERNAME_FIELD: "admin"}
        if users.filter(**name).exists():
            return
        given = os.environ.get("PORTAL_ADMIN_PASSWORD", "")
        password = given or secrets.token_urlsafe(12)
        if given:
            refuse_weak(given)
        try:
            users.create_superuser(**name, password=password)  # type: ignore[attr-defined]
        except IntegrityError:
            return  # another set-up was faster, and has printed its password
        shown = "from PORTAL_ADMIN_PASSWORD" if given else password
        self.stdout.write(f"\n  Sign in as  admin\n  Password    {shown}\n  It is shown this once.\n")

    def submit_sample(self) -> None:
        """Real airports, checked row by row, slowly enough to watch, pause and kill."""
        if Batch.objects.filter(pk=SAMPLE).exists():
            return
        with (places.SAMPLES / "airports.csv").open("rb") as file:
            submission = operations.submit(
                processor="check_rows",
                params={"schema": (places.SAMPLES / "airports.schema.json").read_text()},
                file=file,
                filename="airports.csv",
                name="US airports (sample)",
                key_column="iata",
                batch_id=SAMPLE,
                rate=SAMPLE_RATE,
                actor="set-up",
            )
        if submission.created:
            operations.start(SAMPLE, actor="set-up")
            self.stdout.write(f"  Sample      {submission.batch.total_items:,} airports are being checked\n")


def refuse_weak(password: str) -> None:
    """A password that Django's validators would not take from a person either."""
    user = get_user_model()(**{get_user_model().USERNAME_FIELD: "admin"})
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(f"PORTAL_ADMIN_PASSWORD is too weak: {' '.join(error.messages)}") from None
