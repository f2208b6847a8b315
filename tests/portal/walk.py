"""Run where the portal is installed: signs in, follows every link to a page of another kind from the first page on, and
prints as JSON what each address answered."""

import json
import os
import re
from urllib.parse import parse_qsl, urlsplit

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import Resolver404, resolve  # noqa: E402

LINK = re.compile(r"""(?:href|src)="(/[^"#]*)""")
BEGIN = ("/", "/admin/batches/batch/add/", "/api/docs", "/api/schema", "/metrics", "/readyz")


def kind(address: str) -> tuple[str, ...]:
    """Addresses of one route that differ in values alone are drawn alike."""
    parts = urlsplit(address)
    try:
        route = resolve(parts.path).route
    except Resolver404:
        route = parts.path
    return (route, *sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}))


def walk(client: Client) -> dict[str, int]:
    answers: dict[str, int] = {}
    pending, seen = list(BEGIN), {kind(address) for address in BEGIN}
    while pending:
        address = pending.pop()
        answer = client.get(address, follow=True)
        answers[address] = answer.status_code
        if not answer.headers["Content-Type"].startswith("text/html"):
            answer.close()
            continue
        for link in LINK.findall(answer.content.decode().replace("&amp;", "&")):
            if kind(link) not in seen:
                seen.add(kind(link))
                pending.append(link)
    return answers


client = Client(raise_request_exception=False, HTTP_HOST="localhost")
client.force_login(get_user_model().objects.get(is_superuser=True))
print(json.dumps(walk(client)))
