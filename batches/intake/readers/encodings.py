"""Which encoding a text is in: by its mark, or valid UTF-8, or a guess, which is told as one.

A code page cannot be known from bytes: 0xB3 is ³ in Western Europe and ł in Poland. What tells them apart is which
letters a language writes, so each candidate is a pair of both, and the one whose letters explain the sample wins.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

from batches.exceptions import InputRefused

SAMPLE = 256 * 1024
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Longer marks first: UTF-32's begins with that of UTF-16."""
WIDE = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]
NOT_OF_FILES = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
"""Encodings of Python's own for host names and source code, and one that refuses all there is."""
PUNCTUATION = frozenset("€‚„…‘’“”•–—™«»‹›§©®°·¡¿№ªº£¥²³½¼¾×÷µ±\u00a0\u00ad")
WESTERN, CENTRAL, TURKISH = "cp1252", "cp1250", "cp1254"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўђјљњћџ"
GREEK = "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ"
ALPHABETS = {
    "german": "äöüß",
    "french": "àâæçéèêëîïôœùûüÿ",
    "spanish": "áéíñóúü",
    "portuguese": "áâãàçéêíóôõú",
    "italian": "àèéìíòóù",
    "nordic": "åäöæøé",
    "dutch": "éëïóöüè",
    "icelandic": "áéíóúýþðæö",
    "polish": "ąćęłńóśźż",
    "hungarian": "áéíóöőúüű",
    "czech": "áčďéěíňóřšťúůýž",
    "slovak": "áäčďéíĺľňóôŕšťúýž",
    "south slavic": "čćđšž",
    "romanian": "ăâîşţșț",
    "estonian": "äöõüšž",
    "turkish": "çğıöşüİâîû",
    "cyrillic": CYRILLIC,
    "greek": GREEK,
}
CANDIDATES = (
    *((WESTERN, name) for name in ("german", "french", "spanish", "portuguese", "italian", "nordic", "dutch")),
    *((CENTRAL, name) for name in ("polish", "hungarian", "czech", "slovak", "south slavic", "romanian")),
    (WESTERN, "icelandic"),
    (WESTERN, "estonian"),
    (TURKISH, "turkish"),
    *((page, name) for page in ("iso8859_2",) for name in ("polish", "czech", "slovak", "south slavic", "hungarian")),
    *((page, "cyrillic") for page in ("cp1251", "koi8_u", "cp866", "iso8859_5")),
    *((page, "greek") for page in ("cp1253", "iso8859_7")),
    *(
        (page, name)
        for page in ("cp850", "mac_roman")
        for name in ("german", "french", "spanish", "portuguese", "nordic")
    ),
    ("cp852", "polish"),
    ("cp852", "hungarian"),
)
"""(encoding, alphabet); of equal ones the first wins."""
RARE = {"cp850": 0.15, "cp852": 0.15, "mac_roman": 0.15}
"""What pages of DOS and of old Macs must be better by."""
SCRIPTS = ("cyrillic", "greek")
"""Alphabets of whole words: a letter of theirs does not stand among Latin ones."""
GOOD_ENOUGH = 0.75
"""The share of a sample's foreign characters that must be letters of one language, or punctuation."""
WORD_WITH_FOREIGN = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
WORDS_SCORED, WORDS_SHOWN = 2_000, 3
GUESSED_WORDS = " It reads "
"""What stands before the file's own words in the note on a guess."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a text is read. `guessed_from` has the words by which the encoding was guessed, as they would be read in
    `other`; both are empty where nothing was guessed."""

    name: str
    mark: bool = False
    other: str = ""
    guessed_from: tuple[tuple[str, str], ...] = ()

    @property
    def note(self) -> str:
        """The guess in words; empty where nothing was guessed."""
        if not self.guessed_from:
            return ""
        words = ", ".join(f"{read!r} (in {self.other}: {otherwise!r})" for read, otherwise in self.guessed_from)
        return f"The encoding {self.name} is a guess: name another if it is wrong.{GUESSED_WORDS}{words}."


def encoding_of(sample: bytes, chosen: str = "") -> Encoding:
    """The chosen encoding, or the one that the sample, a text's beginning, looks like."""
    if chosen:
        refuse_unknown_encoding(chosen)
        return Encoding(chosen, has_mark(sample, chosen))
    for mark, name in BOMS:
        if sample.startswith(mark):
            return Encoding(name, mark=True)
    if name := wide_without_mark(sample):
        return Encoding(name, other="utf-8", guessed_from=((sample[:40].decode(name, "replace").strip(), "…"),))
    return Encoding("utf-8") if is_utf8(sample) else guessed(sample)


def has_mark(sample: bytes, chosen: str) -> bool:
    return any(sample.startswith(mark) for mark, _ in BOMS) or sample.decode(chosen, "ignore").startswith("\ufeff")


def is_utf8(sample: bytes) -> bool:
    """Whether the sample is valid; a character that its end cuts is."""
    try:
        sample[: len(sample) - 4 if len(sample) == SAMPLE else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return len(sample) == SAMPLE and error.start >= len(sample) - 8
    return True


def wide_without_mark(sample: bytes) -> str:
    """UTF-16 that lost its mark: of Latin text, every other byte is NUL."""
    even, odd = sample[:4096:2], sample[1:4096:2]
    if odd.count(0) > 0.6 * len(odd) > 0 and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 0.6 * len(even) > 0 and odd.count(0) < 0.1 * len(odd) else ""


def guessed(sample: bytes) -> Encoding:
    """A guess at the encoding of bytes that are no UTF-8."""
    words = WORD_WITH_FOREIGN.findall(sample[:SAMPLE])[:WORDS_SCORED]
    share, likely = 0.0, WESTERN
    for encoding, alphabet in CANDIDATES:
        if (score := explained(words, encoding, alphabet) - RARE.get(encoding, 0.0)) > share + 1e-9:
            share, likely = score, encoding
    if share < GOOD_ENOUGH:
        likely = statistical_guess(sample) if len(b"".join(words)) >= 30 else WESTERN
    other = WESTERN if likely != WESTERN else CENTRAL
    return Encoding(likely, other=other, guessed_from=tuple(differences(words, likely, other)))


def statistical_guess(sample: bytes) -> str:
    """The encoding by how often languages write which letters."""
    from charset_normalizer import from_bytes  # few files come here, and it is large

    best = from_bytes(sample[: 64 * 1024], cp_exclusion=WIDE).best()
    return best.encoding if best is not None and best.encoding not in ("ascii", "latin_1") else WESTERN


def explained(words: Iterable[bytes], encoding: str, alphabet: str) -> float:
    """The share of the words' foreign characters that are the alphabet's letters, or punctuation where it belongs."""
    letters, good, total = frozenset(ALPHABETS[alphabet]), 0.0, 0
    is_script = alphabet in SCRIPTS
    for word in words:
        text = word.decode(encoding, "replace")
        is_whole = is_script and sum(ord(character) > 127 for character in text) == len(text) > 1
        for before, character, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
            if ord(character) > 127:
                total += 1
                good += -0.5 if is_script and not is_whole else worth(before, character, after, letters)
    return good / total if total else 0.0


def worth(before: str, character: str, after: str, letters: frozenset[str]) -> float:
    """1 for a letter of the alphabet, less for punctuation, which every page has. A capital within a word is no letter;
    neither is an õ in Portuguese where no e follows it: it is Hungarian's ő. One alone says less than punctuation: © is
    Š elsewhere."""
    if character in letters or character.lower() in letters:
        if character == "õ" and "ã" in letters and after != "e":
            return -0.5
        if before.islower() and character.isupper():
            return -1.0
        return 1.0 if before.isalpha() or after.isalpha() else 0.8
    if character not in PUNCTUATION:
        return -0.5
    return 1.0 if f"{before}{character}" in ("m²", "m³") else 0.5 if before.isalpha() else 0.9


def differences(words: Iterable[bytes], encoding: str, other: str) -> Iterable[tuple[str, str]]:
    """Words that read differently in another encoding, at most three; else one of those that do not."""
    pairs = dict.fromkeys((word.decode(encoding, "replace"), word.decode(other, "replace")) for word in words)
    differing = [pair for pair in pairs if pair[0] != pair[1]]
    return (differing or list(pairs)[:1])[:WORDS_SHOWN]


def refuse_unknown_encoding(name: str) -> None:
    try:
        codec = codecs.lookup(name)
        is_usable = codec._is_text_encoding and codec.name not in NOT_OF_FILES
    except (LookupError, ValueError):
        is_usable = False
    if not is_usable:
        raise InputRefused(
            f"There is no text encoding {name!r}.", remedy="Use utf-8, utf-16, cp1252 or another known name."
        )
