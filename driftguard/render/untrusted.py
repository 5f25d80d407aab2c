"""Shows text that others wrote: names, callers, reasons, values of resources.

Rules:
- Whatever does not print (control characters, line ends, text-direction overrides, surrogates) is shown as an escape, so
  that no text can steer a terminal, begin a line of its own, or turn the reading order around.
- What a build agent would take for a command to itself in a log (`##vso[…]`, `##[…]`, a leading `::`) is broken by an escape.
- Everything is cut to a length; a cut shows as `…`.
- A value shows as JSON, so that `"1"` and `1` stay apart. What is not there is `(none)`, a secret's mark `(secret …)`.
- An object shows what it says before what names it (id, type, name): a cut takes the latter.
- Two long values that begin alike are shown from where they begin to differ.
"""

from __future__ import annotations

import json
import re

from driftguard.flow.diff import MISSING
from driftguard.flow.reading import Json
from driftguard.flow.secrets import is_mark

VALUE = 120  # characters of a value
_MARK_DIGITS = 8
_NAMING = ("id", "name", "type", "etag")
_CONTEXT = 30  # characters that two cut values show of what they have in common

# Sources: Azure Pipelines logging commands, GitHub Actions workflow commands (and ActionCommand.cs of its runner); the first
# are looked for anywhere in a line, `::` at its beginning.
_AGENT_COMMAND = re.compile(r"(?<=#)#(?=(?:vso)?\[)|\A\s*:(?=:)", re.IGNORECASE)


def one_line(text: object, limit: int = 200) -> str:
    """The text as at most `limit` characters on one line, with nothing in it that does not print."""
    printable = "".join(char if char.isprintable() else _escaped(char) for char in str(text)[: limit + 1])
    shown = without_agent_commands(printable)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def without_agent_commands(text: str) -> str:
    """The text with every build agent's command broken; JSON stays the same JSON."""
    return _AGENT_COMMAND.sub(lambda match: "".join(map(_escaped, match[0])), text)


def value_text(value: Json, limit: int = VALUE) -> str:
    """A value of a resource, or MISSING, as at most `limit` characters."""
    return one_line(_as_json(value, limit + 1), limit)


def two_values(before: Json, after: Json, limit: int = VALUE) -> tuple[str, str]:
    """Before and after of one change, each as at most `limit` characters, cut so that the difference shows."""
    old, new = _as_json(before), _as_json(after)
    if max(len(old), len(new)) > limit:
        start = _alike(old, new) - _CONTEXT
        if start > 0:
            old, new = "…" + old[start:], "…" + new[start:]
    return one_line(old, limit), one_line(new, limit)


def _alike(old: str, new: str) -> int:
    """How many characters the two begin with alike."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(old), len(new)))


def _as_json(value: Json, most: int | None = None) -> str:
    if value is MISSING:
        return "(none)"
    if is_mark(value):
        return f"(secret {value[-32:][:_MARK_DIGITS]}…)"
    return json.dumps(_telling_first(value), ensure_ascii=False)[:most]


def _telling_first(value: Json) -> Json:
    if isinstance(value, list):
        return [_telling_first(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _telling_first(value[key]) for key in sorted(value, key=lambda key: (key.lower() in _NAMING, key))}


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
