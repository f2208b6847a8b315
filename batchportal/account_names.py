"""Names of accounts that could be taken for another's are refused when an account is made or named anew."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models.signals import pre_save

from batches import accounts

OF_ALL_SCRIPTS = frozenset({"COMMON", "INHERITED"})
JAPANESE = frozenset({"HAN", "HIRAGANA", "KATAKANA"})
KOREAN = frozenset({"HAN", "HANGUL"})
SAME = {"0": "o"}
"""What small letters make of 0 and O."""


def refuse_confusing(name: str, pk: Any = None) -> None:
    """`ValidationError` unless everybody can read who is meant; `pk` is the account's own, which is no other's."""
    from confusable_homoglyphs.categories import unique_aliases  # reads its tables: not at every process's start

    plain = unicodedata.normalize("NFKC", name)
    if plain != name:
        raise ValidationError(f"This name has characters that look like others: write it as {plain}.")
    scripts = unique_aliases(name) - OF_ALL_SCRIPTS
    if len(scripts) > 1 and not any(scripts <= together for together in (JAPANESE, KOREAN)):
        mixed = " and ".join(sorted(script.capitalize() for script in scripts))
        raise ValidationError(f"This name mixes letters of {mixed}, which can be taken for each other.")
    others = get_user_model()._default_manager.exclude(pk=pk).values_list(accounts.name_field(), flat=True)
    shape = skeleton(name)
    if twin := next((other for other in others.iterator() if other != name and skeleton(other) == shape), None):
        raise ValidationError(f"This name can be taken for that of {twin}.")


def skeleton(name: str) -> str:
    """The same for names that look alike: `Ann1`, `annl` and `аnn1` with a Cyrillic а."""
    return "".join(map(likeness, unicodedata.normalize("NFKC", name).casefold()))


@lru_cache(maxsize=4096)
def likeness(character: str) -> str:
    """One character for all that look like this one, an ASCII one if there is any."""
    from confusable_homoglyphs.confusables import confusables_data  # as above

    character = SAME.get(character, character)
    alike = [character, *(entry["c"] for entry in confusables_data.get(character, ()) if len(entry["c"]) == 1)]
    nearest = min([other for other in alike if other.isascii()] or alike)
    return character if nearest == character else likeness(nearest)


class RecognisableName:
    """What the forms of accounts have besides."""

    cleaned_data: dict[str, Any]
    changed_data: list[str]
    instance: Any

    def clean_username(self) -> str:
        earlier = getattr(super(), "clean_username", None)
        name: str = earlier() if earlier else self.cleaned_data["username"]
        if "username" in self.changed_data and name:
            refuse_confusing(name, self.instance.pk)
        return name


def check_new_name(
    sender: Any, instance: Any, update_fields: Collection[str] | None = None, raw: bool = False, **kwargs: Any
) -> None:
    """Also where no form is filled in: `createsuperuser`, a script, an import."""
    field = accounts.name_field()
    if raw or (update_fields is not None and field not in update_fields):
        return
    name = instance.get_username()
    if instance._state.adding or not sender._default_manager.filter(pk=instance.pk, **{field: name}).exists():
        refuse_confusing(name, instance.pk)


def connect() -> None:
    pre_save.connect(check_new_name, sender=get_user_model(), dispatch_uid="batchportal.account_names")
