"""`docs/rest.md`: the addresses and the fields of REST, as the schema has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drf_spectacular.generators import SchemaGenerator

INTRODUCTION = [
    "Sign in or send `Authorization: Token …`. `/api/docs` shows the same and tries it; `/api/schema` is for machines.",
    "Refusals are problem documents (RFC 9457). A field is never renamed or dropped.",
]


def rest_page(note: str) -> str:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    addresses = [
        f"| `{verb.upper()} {path}` | {cell(operation.get('description') or operation.get('summary'))} |"
        for path, operations in schema["paths"].items()
        for verb, operation in operations.items()
    ]
    head = ["# REST", note, "", *INTRODUCTION, "", "## Addresses", "", "| | |", "| --- | --- |", *addresses, ""]
    return "\n".join([*head, "## Fields", "", *fields(schema["components"]["schemas"])])


def fields(components: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, component in components.items():
        if component.get("properties") and not name.startswith("Paginated"):
            yield from (f"### {name}", "", "| field | | |", "| --- | --- | --- |")
            for field, shape in component["properties"].items():
                yield f"| `{field}` | {kind(shape)} | {cell(shape.get('description'))} |"
            yield ""


def kind(shape: Mapping[str, Any]) -> str:
    """Its type; of another object its name."""
    whole = next((shape[key][0] for key in ("allOf", "oneOf") if shape.get(key)), shape)
    reference = str(whole.get("$ref", "")).rpartition("/")[2]
    if whole.get("type") == "array":
        return f"list of {kind(whole['items'])}"
    return reference or str(whole.get("format") or whole.get("type") or "any JSON")


def cell(text: Any) -> str:
    """The first paragraph on one line."""
    return " ".join(str(text or "").partition("\n\n")[0].split()).replace("|", "\\|")
