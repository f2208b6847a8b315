"""What messages have in them that varies from item to item: the patterns of template version fp1.

A change of one makes other fingerprints of the same messages: it needs a new version in `fingerprints`.
"""

from __future__ import annotations

import re

from errors.grouping.late_pattern import late_pattern

MARK = "\ue000-\uf8ff"
QUOTES = {
    "'": "'",
    '"': '"',
    "`": "`",
    "“": "”",
    "‘": "’",
    "«": "»",
    "„": "“”",
    "‚": "‘’",
    "»": "«",
    "›": "‹",
    "‹": "›",
    "「": "」",
    "『": "』",
}
"""Opening mark -> those that may close it."""
UNSPACED = "「『"
"""Marks of scripts without spaces: they stand in the middle of words."""
CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
"""Kana, Chinese characters and Hangul, between which nothing but the meaning ends a word."""

UNPRINTABLE = late_pattern(rf"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[{MARK}]")
CODES = late_pattern(
    r"""\[Errno\ -?\d+\] | \bHTTP(?:/\d(?:\.\d)?)?\ \d{3}\b | \bstatus(?:\ code)?:?\ \d{3}\b
    | \b\d{3}\ (?:Client|Server)\ Error | \bSQLSTATE[\ \[]+[0-9A-Z]{5}\b\]? | \bORA-\d{5}\b
    | \bexit\ (?:code|status)\ \d+\b | \berror\ code\ \d+\b | \bsignal\ \d+\b | \A\(\d{4},
    | \bbase\ 10\b | '?\butf-8\b'? """,
    re.I | re.X,
)
EDGE = rf"(?![\w{MARK}-])"
TYPED = (
    ("<url>", late_pattern(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"`<>(){}\[\]|]*[^\s'\"`<>(){}\[\]|.,;:!?]", re.I)),
    ("<email>", late_pattern(rf"[\w.+%{MARK}-]{{1,64}}@[\w{MARK}-]{{1,63}}(?:\.[\w{MARK}-]{{1,63}})+")),
    ("<uuid>", late_pattern(rf"(?<![\w-])[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{EDGE}", re.I)),
    (
        "<ip>",
        late_pattern(
            r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w-]|\.\w)"
            r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
            r"|(?<![\w:])(?=[0-9a-f:]{0,39}\d)(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?::"
            r"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?(?![\w:])",
            re.I,
        ),
    ),
    (
        "<date>",
        late_pattern(
            r"(?<![\w.-])(?:\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})"
            r"(?:(?:T|,?\ )\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\ ?(?:Z|UTC|GMT)|\ ?[+-]\d\d:?\d\d)?)?(?![\w-]|\.\d)"
            r"|(?<![\w-])\d{8}T\d{6}Z?(?![\w-])"
        ),
    ),
    ("<time>", late_pattern(r"(?<![\w:.-])\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\ ?[ap]m\b)?(?![\w:-])", re.I)),
    (
        "<hex>",
        late_pattern(
            rf"(?<![\w-])(?:0x[0-9a-f]+|(?=[0-9a-f]{{0,512}}\d)(?=\d*[a-f])[0-9a-f]{{8,}}){EDGE}(?!\.\w)", re.I
        ),
    ),
    (
        "<path>",
        late_pattern(
            rf"(?<![\w/.<{MARK}])(?:~|\.{{1,2}})?(?:/[\w.@%+~{MARK}-]+)+/?(?<![.,])"
            rf"|(?<!\w)(?:[a-z]:\\|\\\\)[\w.@%+~\\ {MARK}-]*[\w@%+~\\{MARK}]",
            re.I,
        ),
    ),
)
DETAIL_VALUES = late_pattern(
    r"(?<=\ ⏎\ )(?P<words>[^⏎]*?)"
    r"(?:(?P<columns>\([^()⏎=]{1,200}\)=)\(.*\)(?=[^()⏎]*(?:⏎|\Z))|\ \(.*,.*\)(?=\.?\ ?…?\Z))"
)
"""PostgreSQL's second line, in any language: `Key (name)=(value) already exists.` and `Failing row contains (…).`"""
CJK_NUMBER = late_pattern(
    rf"(?<=[{CJK}])\d+(?:[.,:]\d+)*(?![A-Za-z0-9_])|(?<![A-Za-z0-9_.-])\d+(?:[.,:]\d+)*(?=[{CJK}])"
)
UNIT = "(?:[nuµm]?s|min|sec|secs|h|[kmgt]i?b|b|%)"
EUROPEAN = (
    r"\d{1,3}(?:[.\u00a0\u202f']\d{3})+,\d+|\d{1,3}(?: \d{3})+,\d+|\d{1,3}(?:[\u00a0\u202f]\d{3})+"
    r"|(?<!\d,)\d+,\d{1,2}(?![\d,])"
)
"""1.234,50 and 1 234,50 and 3,50; not the members of a list such as 1,2,3."""
NUMBER = late_pattern(
    rf"(?<![\w.])(?<![\w{MARK}]-)[-+]?(?:{EUROPEAN}|(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?)"
    rf"(?:{UNIT}(?!\w)|(?![\w]))(?!-\w)(?!\.\w)",
    re.I,
)
TOKEN = late_pattern(rf"[^\W{CJK}]+(?:[-.][^\W{CJK}]+)*")
QUOTED = late_pattern(
    "|".join(
        rf"{a}([^{a}{z}]*){z}"
        if a in UNSPACED
        else rf"(?<!\w){a}((?:[^{a}{z}]|(?<=\w)[{z}](?=\w))*)[{z}](?![^\W{CJK}])"
        for a, z in QUOTES.items()
    )
)
MARKS = late_pattern(rf"[{MARK} ]+")
QUOTES_OF_PROSE = "„‚»›「『"
"""Marks in which values stand, but hardly ever names of fields; German databases name columns in them."""
NAMES_A_PLACE = late_pattern(
    r"(?:Spalte|Relation|Tabelle|Sicht|Funktion|Operator|Typ|Index|Rolle|Schema|Parameter|Feld|\w*constraint) \Z", re.I
)
SNAKE = late_pattern(r"[a-z]+(?:_[a-z]+)*")
PLACEHOLDER = late_pattern(r"<([^<>]{1,100})>")
"""What a template has instead of a value: a field of the payload, or one of the kinds."""
PLACEHOLDER_KINDS = frozenset(
    {"url", "email", "uuid", "ip", "date", "time", "hex", "path", "num", "id", "str", "any word", "any words"}
)
"""What a template says of values that are in no field of the payload."""
