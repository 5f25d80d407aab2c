"""Seals once more the paths that a finding's detail names: an element of a list is named by what tells it apart.

Rules:
- Two details name paths: that readings flap (stability.py), and that a state is not final (unsettled.py).
- Where the paths cannot be told from the text any more the detail is told without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from driftguard.flow.path import Path, format_path, parse_path
from driftguard.guard.unsettled import NOT_FINAL

_FLAPPING = re.compile(
    r"flapping at (?P<paths>.+?)(?P<more> and [0-9]+ more)?"
    r"(?P<rest>: (?:its readings did not agree|it differed in one reading|an earlier reading said)[^:]*)",
    re.DOTALL,
)
_UNSETTLED = re.compile(rf"(?P<before>(?:pending since the last record: )?)(?P<path>.+) {NOT_FINAL}", re.DOTALL)


def sealed_detail(text: str, sealed: Callable[[Path], Path]) -> str:
    """The detail with each path in it as `sealed` gives it; the same text where none of them changes."""
    if found := _FLAPPING.fullmatch(text):
        paths = _sealed_paths(found["paths"].split(", "), sealed)
        where = f" at {', '.join(paths)}{found['more'] or ''}" if paths else ""
        return f"flapping{where}{found['rest']}"
    if found := _UNSETTLED.fullmatch(text):
        paths = _sealed_paths([found["path"]], sealed)
        return f"{found['before']}{paths[0] if paths else 'a state'} {NOT_FINAL}"
    return text


def _sealed_paths(texts: list[str], sealed: Callable[[Path], Path]) -> list[str]:
    """The paths as text, sealed; none where one of them cannot be read."""
    try:
        return [format_path(sealed(parse_path(text))) for text in texts]
    except ValueError:
        return []
