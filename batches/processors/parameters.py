"""A processor's parameters: JSON as it was given, the files that came with it, and what the form makes of both.

A batch keeps what was given. Whoever needs the parameters has them cleaned by the processor's form, so that a date is a
date and a model's row is its row as it is now. All doors clean in the portal's own language and time zone: a worker
must read a text as the page did that took it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings
from django.core.files import File
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.db.models import Model, QuerySet
from django.utils import timezone, translation
from django.utils.datastructures import MultiValueDict

from batches.exceptions import InvalidInput
from batches.processors.json_values import NoJsonValue, json_value
from batches.redaction import SharedSources

LARGEST_FILE = 1024 * 1024
"""Bytes of one file that is a parameter; it is kept in the database, beside its batch."""
DESCRIPTION = {"filename", "content_type", "bytes", "sha256"}
HOW_TO_GIVE_A_FILE = (
    "Give a file: NAME=@FILE on the command line, a part called params.NAME in a form, "
    'or {"name": "prices.csv", "base64": "…"} in JSON.'
)
FormClass = type[forms.BaseForm]


@dataclass(frozen=True, slots=True)
class Given:
    """Parameters as they were given: JSON, in which a file is described (filename, content_type, bytes, sha256), and
    the contents of these files by their sha256."""

    values: dict[str, Any] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def python_values(self) -> dict[str, Any]:
        """The values, each description of a file replaced by a file to be read."""
        return {name: with_files(value, self.contents) for name, value in self.values.items()}


def with_files(value: Any, contents: Mapping[str, bytes]) -> Any:
    if isinstance(value, list):
        return [with_files(inner, contents) for inner in value]
    if is_description(value) and value["sha256"] in contents:
        return file_of(value["filename"], contents[value["sha256"]], value["content_type"])
    return value


def is_description(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == DESCRIPTION


def file_of(name: str, content: bytes, content_type: str = "") -> InMemoryUploadedFile:
    """A file to be read from its start, as a form gets it from an upload."""
    return InMemoryUploadedFile(BytesIO(content), None, name, content_type, len(content), None)


# -- what was given, as JSON -------------------------------------------------------------------------------------------


def completed(form_class: FormClass | None, params: Mapping[str, Any]) -> Given:
    """What was given, in JSON, with the form's `initial` where nothing was; `InvalidInput` names what cannot be kept.

    A value may be JSON, what Python has for it (a date, a model's row, an open file), or, for a file,
    `{"name": …, "base64": …}`.
    """
    given = Given()
    form = form_class() if form_class is not None else forms.Form()
    errors: dict[str, list[str]] = {}
    for name, form_field in form.fields.items():
        is_default = form_field.disabled or name not in params
        value = form.get_initial_for_field(form_field, name) if is_default else params[name]
        if is_default and (value is None or isinstance(form_field, forms.FileField)):
            continue
        try:
            given.values[name] = kept(form_field, value, given.contents)
        except NoJsonValue as problem:
            errors[f"params.{name}"] = [str(problem)]
    if errors:
        raise refusal(errors)
    return given


def kept(form_field: forms.Field, value: Any, contents: dict[str, bytes]) -> Any:
    """A parameter's value as JSON; contents of files are put into `contents`."""
    if isinstance(form_field, forms.FileField) and isinstance(value, (str, bytes, int, float)) and value != "":
        raise NoJsonValue(HOW_TO_GIVE_A_FILE)
    return described(value, contents) if takes_files(form_field) else json_value(form_field, value)


def takes_files(form_field: forms.Field) -> bool:
    """Whether a field's value is a file, or has one among several values."""
    parts = getattr(form_field, "fields", ())
    return isinstance(form_field, forms.FileField) or any(takes_files(part) for part in parts)


def described(value: Any, contents: dict[str, bytes]) -> Any:
    """The description of a file in place of it, at any place of a list."""
    if isinstance(value, (list, tuple)):
        return [described(inner, contents) for inner in value]
    if isinstance(value, Mapping):
        value = decoded(value)
    if not hasattr(value, "read"):
        return json_value(None, value)
    name = PurePath(str(getattr(value, "name", "") or "file")).name[:255]
    content = content_of(value)
    digest = sha256(content).hexdigest()
    contents[digest] = content
    content_type = str(getattr(value, "content_type", "") or "")
    return {"filename": name, "content_type": content_type, "bytes": len(content), "sha256": digest}


def decoded(value: Mapping[str, Any]) -> Any:
    """The file that a JSON object stands for."""
    if set(value) != {"name", "base64"} or not isinstance(value["name"], str):
        raise NoJsonValue(HOW_TO_GIVE_A_FILE)
    try:
        content = base64.b64decode(str(value["base64"]), validate=True)
    except (binascii.Error, ValueError):
        raise NoJsonValue("Its content is not base64.") from None
    return file_of(value["name"], content)


def content_of(file: Any) -> bytes:
    """All of a file, from its start; a large one is refused before it is read whole."""
    if hasattr(file, "seek"):
        file.seek(0)
    content = file.read(LARGEST_FILE + 1)
    content = content.encode() if isinstance(content, str) else bytes(content)
    if len(content) > LARGEST_FILE:
        raise NoJsonValue(f"The file is larger than {LARGEST_FILE / 1024 / 1024:g} MB.")
    return content


# -- what the form makes of it -----------------------------------------------------------------------------------------


class GivenWidget(forms.Widget):
    """Hands a field its value as it was given; a form with these is cleaned and never drawn."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data


def cleaned(form_class: FormClass | None, given: Given) -> dict[str, Any]:
    """A value for each field of the form, typed; `InvalidInput` names every field that is wrong.

    Names that the form does not have (any more) are left alone.
    """
    if form_class is None:
        return {}
    with translation.override(settings.LANGUAGE_CODE), timezone.override(None):
        form = bound(form_class, given)
        refuse_images_without_pillow(form)
        valid = form.is_valid()
    if not valid:
        raise refusal({where(name): [str(text) for text in texts] for name, texts in form.errors.items()})
    return {name: form.cleaned_data[name] for name in form.fields}


def bound(form_class: FormClass, given: Given) -> forms.BaseForm:
    prefix = form_class().add_prefix
    data = {prefix(name): value for name, value in given.python_values().items()}
    files: Any = MultiValueDict({name: [value] for name, value in data.items() if isinstance(value, File)})
    form = form_class(data=data, files=files)
    for form_field in form.fields.values():
        form_field.widget = GivenWidget()
        form_field.disabled = False
    return form


def refuse_images_without_pillow(form: forms.BaseForm) -> None:
    images = [name for name, part in form.fields.items() if isinstance(part, forms.ImageField) and form[name].data]
    if images and find_spec("PIL") is None:
        raise refusal({where(name): ["Pillow is not installed: the portal cannot read images."] for name in images})


def where(name: str) -> str:
    """The form's own errors, which are no field's, are those of the parameters as a whole."""
    return "params" if name == "__all__" else f"params.{name}"


def refusal(errors: dict[str, list[str]]) -> InvalidInput:
    place, texts = next(iter(errors.items()))
    return InvalidInput(f"{place}: {texts[0]}", errors)


# -- what a processor gets ---------------------------------------------------------------------------------------------

PLAIN = (str, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Params:
    """Cleaned parameters, for all items of a time slice; `sources`: where secrets of theirs may stand, by name."""

    cleaned: dict[str, Any] = field(default_factory=dict)
    sources: SharedSources = SharedSources()  # noqa: RUF009 - nobody changes it

    def for_item(self) -> dict[str, Any]:
        """A dict of the item's own: what it does to a value in it is not seen by the items after or beside it."""
        return {name: value if isinstance(value, PLAIN) else own_copy(value) for name, value in self.cleaned.items()}


def own_copy(value: Any) -> Any:
    """A file is read from its start, a queryset reads its rows anew, a model's row is as it was when it was read."""
    if isinstance(value, InMemoryUploadedFile):
        return file_copy(value)
    if isinstance(value, QuerySet):
        return value.all()
    if isinstance(value, list):
        return [own_copy(inner) if isinstance(inner, InMemoryUploadedFile) else inner for inner in value]
    return copy(value) if isinstance(value, (dict, set, Model)) else value


def file_copy(file: InMemoryUploadedFile) -> InMemoryUploadedFile:
    stream: Any = file.file
    another = file_of(str(file.name), stream.getvalue(), file.content_type or "")
    if hasattr(file, "image"):
        another.image = file.image  # type: ignore[attr-defined]
    return another
