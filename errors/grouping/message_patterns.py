"""What messages have in them that varies from item to item: the patterns of template version fp1.

A change of one makes other fingerprints of the same messages: it needs a new version in `fingerprints`.
"""

from __future__ import annotations

import re

MARK = "\ue000-\uf8ff"
QUOTES = {"'": "'", '"': '"', "`": "`", "“": "”", "‘": "’", "«": "»"}

UNPRINTABLE = re.compile(rf"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[{MARK}]")
CODES = re.compile(
    r"""\[Errno\ -?\d+\] | \bHTTP(?:/\d(?:\.\d)?)?\ \d{3}\b | \bstatus(?:\ code)?:?\ \d{3}\b
    | \b\d{3}\ (?:Client|Server)\ Error | \bSQLSTATE[\ \[]+[0-9A-Z]{5}\b\]? | \bORA-\d{5}\b
    | \bexit\ (?:code|status)\ \d+\b | \berror\ code\ \d+\b | \bsignal\ \d+\b | \A\(\d{4},
    | \bbase\ 10\b | '?\butf-8\b'? """,
    re.I | re.X,
)
EDGE = rf"(?![\w{MARK}-])"
TYPED = (
    ("<url>", re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"`<>(){}\[\]|]*[^\s'\"`<>(){}\[\]|.,;:!?]", re.I)),
    ("<email>", re.compile(rf"[\w.+%{MARK}-]{{1,64}}@[\w{MARK}-]{{1,63}}(?:\.[\w{MARK}-]{{1,63}})+")),
    ("<uuid>", re.compile(rf"(?<![\w-])[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{EDGE}", re.I)),
    (
        "<ip>",
        re.compile(
            r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w-]|\.\w)"
            r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
            r"|(?<![\w:])(?=[0-9a-f:]{0,39}\d)(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?::"
            r"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?(?![\w:])",
            re.I,
        ),
    ),
    (
        "<date>",
        re.compile(
            r"(?<![\w.-])(?:\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})"
            r"(?:(?:T|,?\ )\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\ ?(?:Z|UTC|GMT)|\ ?[+-]\d\d:?\d\d)?)?(?![\w-]|\.\d)"
            r"|(?<![\w-])\d{8}T\d{6}Z?(?![\w-])"
        ),
    ),
    ("<time>", re.compile(r"(?<![\w:.-])\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\ ?[ap]m\b)?(?![\w:-])", re.I)),
    (
        "<hex>",
        re.compile(rf"(?<![\w-])(?:0x[0-9a-f]+|(?=[0-9a-f]{{0,512}}\d)(?=\d*[a-f])[0-9a-f]{{8,}}){EDGE}(?!\.\w)", re.I),
    ),
    (
        "<path>",
        re.compile(
            rf"(?<![\w/.<{MARK}])(?:~|\.{{1,2}})?(?:/[\w.@%+~{MARK}-]+)+/?(?<![.,])"
            rf"|(?<!\w)(?:[a-z]:\\|\\\\)[\w.@%+~\\ {MARK}-]*[\w@%+~\\{MARK}]",
            re.I,
        ),
    ),
)
UNIT = "(?:[nuµm]?s|min|sec|secs|h|[kmgt]i?b|b|%)"
NUMBER = re.compile(
    rf"(?<![\w.])(?<![\w{MARK}]-)[-+]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?"
    rf"(?:{UNIT}(?!\w)|(?![\w]))(?!-\w)(?!\.\w)",
    re.I,
)
TOKEN = re.compile(r"\w+(?:[-.]\w+)*")
QUOTED = re.compile("|".join(rf"(?<!\w){a}((?:[^{a}{z}]|(?<=\w)[{z}](?=\w))*){z}(?!\w)" for a, z in QUOTES.items()))
MARKS = re.compile(rf"[{MARK} ]+")
SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)*")
PLACEHOLDER = re.compile(r"<([^<>]{1,100})>")
"""What a template has instead of a value: a field of the payload, or one of the kinds."""
PLACEHOLDER_KINDS = frozenset({"url", "email", "uuid", "ip", "date", "time", "hex", "path", "num", "id", "str"})
"""What a template says of values that are in no field of the payload."""
