"""Texts that look like secrets whatever they stand in: tokens and keys by their form, values after names of secrets,
rows that a database quotes."""

from __future__ import annotations

import re
from base64 import b64decode
from functools import lru_cache

from batches.conf import settings
from batches.masked_names import MASK, names_secret

SHAPES = re.compile(
    r"""\beyJ[\w-]{5,4096}\.[\w-]{5,8192}\.[\w-]{0,4096}                               # a JSON web token
    | -----BEGIN[ ][A-Z ]{0,40}PRIVATE[ ]KEY-----(?:(?!-----END).){0,20000}(?:-----END[A-Z ]{0,60}-----)?
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                                     # AWS
    | \bgh[pousr]_[0-9A-Za-z]{20,255}\b | \bgithub_pat_\w{20,255}\b
    | \b[sr]k_(?:live|test)_[0-9A-Za-z]{10,255}\b | \bwhsec_[\w+/=]{10,255}           # payments, webhooks
    | \bxox[abeoprs]-[\w-]{10,255}                                                     # chat
    | (?<=\bBearer[ ])[\w.~+/=-]{12,4096}""",
    re.X | re.S,
)
PERHAPS = re.compile(
    r"[=:@]|eyJ|-----BEGIN|A(?:KIA|SIA)|gh[pousr]_|github_pat_|k_(?:live|test)_|whsec_|xox|Bearer |basic ", re.I
)
"""Nothing to mask without one of these: most values are read once, not ten times."""
BASIC = re.compile(r"(?<=\bBasic[ ])[\w+/-]{4,4096}={0,2}", re.I)
USER_IN_URL = re.compile(r"(?<=://)[^\s/@'\"<>]{1,500}(?=@)")

# -- values after names ------------------------------------------------------------------------------------------------

QUOTED = re.compile(r"""(?<![\w.-])([\w.-]{1,80})(=|['"]?:[ ]?)(['"])((?:(?!\3).){1,4096})\3""")
BARE = re.compile(r"""(?<![\w.-])([\w.-]{1,80})([ ]?=[ ]?)([^\s&'"`,;<>()\[=]{1,4096})""")
COLON = re.compile(
    r"""(?<![\w.-])([\w.-]{1,80}|api[ ]key)(:[ \t]{0,4})
    ((?:(?:basic|bearer|digest|token|apikey|negotiate)[ ]+)?)([^\s,;'"`<>()\[\]{}&]{1,4096})""",
    re.X | re.I,
)
COOKIE = re.compile(r"(?<![\w-])((?:set-)?cookie)(:[ ]?)([^\r\n=]{1,200}=[^\r\n]{0,4096})", re.I)
NO_NAME = re.compile(
    r"""(?:error|exception|warning|failure|invalid|missing|expired|required|denied|failed|found|url|uri|type|count)$
    | (?:^|[._-])(?:invalid|missing|expired|bad|no|unknown|wrong)(?=[A-Z_.-])""",
    re.X | re.I,
)
"""Names of errors about secrets, such as `InvalidTokenError`: what follows them is prose."""
PROSE = frozenset(
    re.findall(
        r"\w+",
        """a an and are at be blank by can cannot does empty ensure enter expected expired failed field for got has have
        if in incorrect invalid is it key length may missing must need needs no none not null of on only or out please
        required should string text than that the this to too unknown unset use value values was were when wrong you
        your true false refused rejected denied revoked mismatch basic bearer digest token apikey negotiate""",
    )
)
"""Words with which a sentence about a field begins, as in `token: is required`, and those before credentials."""

# -- what a database quotes --------------------------------------------------------------------------------------------

FAILING_ROW = re.compile(r"(Failing row contains )\(.*", re.S)
KEY_VALUES = re.compile(
    r"(Key \(([^)\n]{1,500})\)=)\((.{0,4096}?)\)(?= (?:already|is not|is still|conflicts|does not))", re.S
)
COPIED_LINE = re.compile(r"(COPY \w{1,200}, line \d+(?:, column ([^:\n]{1,200}))?: )\".*", re.S)
SQL_LINE = re.compile(r"^(LINE \d+: [^'\n]*)'[^\n]*", re.M)


def redact_shapes(text: str, *, source: bool = False) -> str:
    """Without keys and tokens known by their form, passwords in addresses, and values under names of secrets.

    In lines of source code, only what is quoted there is a value.
    """
    return without_shapes(text, source, tuple(settings.PORTAL_REDACT)) if PERHAPS.search(text) else text


@lru_cache(maxsize=128)
def without_shapes(text: str, source: bool, words: tuple[str, ...]) -> str:
    text = without_quoted_rows(SHAPES.sub(MASK, text), words)
    if may_name(text):
        text = QUOTED.sub(lambda value: masked_quotation(value, words), text)
        text = text if source else without_named_values(text, words)
    text = BASIC.sub(lambda value: MASK if is_basic(value[0]) else value[0], text)
    return USER_IN_URL.sub(MASK, text) if "@" in text else text


def without_named_values(text: str, words: tuple[str, ...]) -> str:
    if names_secret("cookie", words):
        text = COOKIE.sub(lambda value: f"{value[1]}{value[2]}{MASK}", text)
    text = BARE.sub(lambda value: f"{value[1]}{value[2]}{MASK}" if names_secret(value[1], words) else value[0], text)
    return COLON.sub(lambda value: masked_value(value, words), text)


def masked_quotation(value: re.Match[str], words: tuple[str, ...]) -> str:
    prose = value[2] != "=" and value[4].split(" ")[0].lower() in PROSE and " " in value[4]
    hides = not prose and names_secret(value[1], words) and not NO_NAME.search(value[1])
    return f"{value[1]}{value[2]}{value[3]}{MASK}{value[3]}" if hides else value[0]


def masked_value(value: re.Match[str], words: tuple[str, ...]) -> str:
    hides = names_secret(value[1], words) and value[4].rstrip(".!?:").lower() not in PROSE
    if not hides or NO_NAME.search(value[1]) or value[4].startswith("//"):
        return value[0]
    return f"{value[1]}{value[2]}{value[3]}{MASK}"


def may_name(text: str) -> bool:
    """Whether a value may stand after its name in a text."""
    return "=" in text or ":" in text


@lru_cache(maxsize=128)
def named_values(text: str, words: tuple[str, ...]) -> frozenset[str]:
    """What stands after names of secrets in a text, such as the headers of a request."""
    if not may_name(text):
        return frozenset()
    values = {value[4] for value in QUOTED.finditer(text) if masked_quotation(value, words) != value[0]}
    values |= {value[3] for value in BARE.finditer(text) if names_secret(value[1], words)}
    values |= {value[4] for value in COLON.finditer(text) if masked_value(value, words) != value[0]}
    return frozenset(values | {value[3] for value in COOKIE.finditer(text) if names_secret("cookie", words)})


def is_basic(text: str) -> bool:
    """Whether it is `user:password` in base64."""
    try:
        plain = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if {"-", "_"} & set(text) else None)
        return ":" in plain.decode()
    except ValueError:
        return False


def without_quoted_rows(text: str, words: tuple[str, ...]) -> str:
    """Without the values of rows: a database shows all columns, also those that nobody named."""

    def key(value: re.Match[str]) -> str:
        return f"{value[1]}({MASK})" if names_secret(value[2], words) else value[0]

    def line(value: re.Match[str]) -> str:
        return f"{value[1]}{MASK}" if value[2] is None or names_secret(value[2], words) else value[0]

    text = FAILING_ROW.sub(rf"\g<1>{MASK}", text) if "Failing row contains " in text else text
    text = KEY_VALUES.sub(key, text) if "Key (" in text else text
    text = COPIED_LINE.sub(line, text) if "COPY " in text else text
    return SQL_LINE.sub(rf"\1'{MASK}'", text) if "LINE " in text else text


# -- numbers of payment cards ------------------------------------------------------------------------------------------

CARD = re.compile(r"(?<![\w.-])(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6011|65\d\d|3[47]\d\d)(?:[ -]?\d){9,15}(?![\w-])")


def redact_cards(text: str) -> str:
    """Without numbers that are those of payment cards; apart, as one long number in ten passes for one."""
    return CARD.sub(lambda number: MASK if is_card(number[0]) else number[0], text)


def is_card(text: str) -> bool:
    """Luhn's check digit."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = (digit * 2 if n % 2 else digit for n, digit in enumerate(digits))
    return 13 <= len(digits) <= 19 and sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0
