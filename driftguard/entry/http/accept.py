"""Which representation a caller wants: the header Accept (RFC 9110, 12.5.1).

Rules:
- The most specific range that fits a type gives its quality; 0 means that it is not wanted.
- Of the types with the highest quality the first that is offered is chosen; without the header the first at all.
- A header that is not well formed wants anything: the caller gets the first, which says its type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf'\s*({_TOKEN})/({_TOKEN})((?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|"[^"\\]*"))*)\s*\Z')
_QUALITY = re.compile(r";\s*[qQ]=([^;\s]*)")
_NUMBER = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")
_LONGEST = 4096


def chosen(accept: str, offered: Sequence[str]) -> str | None:
    """The type to answer with, out of those offered in order of preference; None where none of them is wanted."""
    ranges = _ranges(accept)
    if not ranges:
        return offered[0]
    quality, place = max((_quality(one, ranges), -index) for index, one in enumerate(offered))
    return offered[-place] if quality > 0 else None


def _ranges(accept: str) -> list[tuple[str, str, float]]:
    """(type, subtype, quality) of each range; none where the header says nothing that can be understood."""
    found = []
    for text in accept[:_LONGEST].split(","):
        if not text.strip():
            continue
        match = _RANGE.match(text)
        if match is None:
            return []
        given = _QUALITY.search(match[3])
        if given and not _NUMBER.match(given[1]):
            return []
        found.append((match[1].lower(), match[2].lower(), float(given[1]) if given else 1.0))
    return found


def _quality(offered: str, ranges: Sequence[tuple[str, str, float]]) -> float:
    kind, _, subtype = offered.partition("/")
    fitting = [
        ((one != "*") + (sub != "*"), quality)
        for one, sub, quality in ranges
        if one in ("*", kind) and sub in ("*", subtype)
    ]
    return max(fitting)[1] if fitting else 0.0
