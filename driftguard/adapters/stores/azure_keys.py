"""Names of rows and blobs in the form in which Azure Storage keeps them.

Rules:
- The form is ASCII and has nothing that Azure forbids or that a URL or a filter would read as its own: no `/ \\ # ? % + '`,
  no control character, no blank. Letters, digits, `-` and `_` stay as they are.
- Order is kept: the forms of two names compare as the names do, by code points. So a table's own order is the order of
  the port's lists.
- Each name has one form and each form one name; what is no form of a name is a ValueError.
- In a RowKey `!` stands between kind and id. It comes before everything that a form has: rows of a kind stand together.
- In a blob's name `/` stays, so that tools show folders, but not at the start and not behind another one. There is no
  segment `.` or `..`: a dot is never alone.

Form of each character, in order (`x` one character of the table's alphabet):

| character | form |
|---|---|
| controls up to U+001F, which no name has but a bound may | `$0` … `$V` |
| blank … `,` | `$a` … `$m` |
| `-` | itself |
| `.` `/` | `.0` `.1` |
| digits | themselves |
| `:` … `@` | `:0` … `:6` |
| `A` … `Z` | themselves |
| `[` … `^` | `^0` … `^3` |
| `_`, backtick, `a` … `z`, `{`, bar, `}` | themselves |
| `~` … U+FFFF | `~xxx`, base 62, the first digit below `z` |
| above | `~zxxxx`, base 62 |

Source of what is forbidden: learn.microsoft.com "Understanding the Table service data model", "Naming and referencing
containers, blobs, and metadata".
"""

from __future__ import annotations

import re

SEPARATOR = "!"
BEHIND_SEPARATOR = '"'
"""The character next to `!`: ends the range of a kind's rows."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE = len(_DIGITS)
_ABOVE = "~"
_ASTRAL = "z"
_LAST_BMP = 0xFFFF


def _table() -> dict[str, str]:
    """The form of every character up to `}`; the first of a span has the first of its digits."""
    forms = {chr(code): chr(code) for code in range(ord("-"), ord("~"))}
    for first, last, mark, digits in (
        ("\0", "\x1f", "$", _DIGITS),
        (" ", ",", "$", "abcdefghijklm"),
        (".", "/", ".", _DIGITS),
        (":", "@", ":", _DIGITS),
        ("[", "^", "^", _DIGITS),
    ):
        span = range(ord(first), ord(last) + 1)
        forms.update({chr(code): mark + digit for code, digit in zip(span, digits, strict=False)})
    return forms


_FORMS = _table()
_CHARACTERS = {form: character for character, form in _FORMS.items()}
_FORM = re.compile(r"~z[0-9A-Za-z]{4}|~[0-9A-Za-y][0-9A-Za-z]{2}|[$.:^].|[^~]", re.DOTALL)


def encoded(name: str) -> str:
    """The form of a name; of a whole one or of its start."""
    return "".join(_FORMS.get(character) or _above(ord(character)) for character in name)


def decoded(form: str) -> str:
    """The name of a form. Raises ValueError."""
    name = "".join(_character(part) for part in _parts(form))
    if encoded(name) != form:  # digits that stand for nothing, or for a character that has another form
        raise ValueError("not the form of a name")
    return name


def row_key(kind: str, row_id: str) -> str:
    """The RowKey of a row; with an empty id, what comes before all rows of the kind."""
    return f"{encoded(kind)}{SEPARATOR}{encoded(row_id)}"


def kind_and_id(key: str) -> tuple[str, str]:
    """Kind and id of a RowKey. Raises ValueError."""
    kind, separator, row_id = key.partition(SEPARATOR)
    if not (kind and separator and row_id):
        raise ValueError("not the key of a row")
    return decoded(kind), decoded(row_id)


def blob_name(key: str) -> str:
    """The name of the blob of a key; of a whole key or of its start."""
    return "".join(
        character if character == "/" and index and key[index - 1] != "/" else encoded(character)
        for index, character in enumerate(key)
    )


def blob_key(name: str) -> str:
    """The key of a blob of this name. Raises ValueError."""
    key = decoded(name.replace("/", ".1"))
    if blob_name(key) != name:
        raise ValueError("not the name of a key")
    return key


def _parts(form: str) -> list[str]:
    parts = _FORM.findall(form)
    if "".join(parts) != form:
        raise ValueError("not the form of a name")
    return parts


def _character(part: str) -> str:
    if not part.startswith(_ABOVE):
        if part not in _CHARACTERS:
            raise ValueError("not the form of a character")
        return _CHARACTERS[part]
    number = 0
    for digit in part.removeprefix(_ABOVE).removeprefix(_ASTRAL if len(part) > 4 else ""):
        number = number * _BASE + _DIGITS.index(digit)
    if 0xD800 <= number <= 0xDFFF:
        raise ValueError("a surrogate is no character")
    return chr(number)


def _above(code: int) -> str:
    if code <= _LAST_BMP:
        return _ABOVE + _number(code, 3)
    return _ABOVE + _ASTRAL + _number(code, 4)


def _number(value: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        value, digit = divmod(value, _BASE)
        digits = _DIGITS[digit] + digits
    return digits
