"""What every place for anchors takes, whichever product is behind it.

Rules:
- A name is one or more segments with `/` between them: letters, digits, `.`, `-` and `_`, no dot in front. So it is the same
  name everywhere, and leads nowhere else.
"""

from __future__ import annotations

import re

from driftguard.errors import WrongUse
from driftguard.flow.anchor import NotADocument

MOST_BYTES = 32 * 1024 * 1024  # a store of 100,000 jobs

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*\Z")
_LONGEST = 200
_REMEDY = "somebody else put it there: look at it, and keep it aside"


def is_name(name: str) -> bool:
    """Whether something can be kept under this name."""
    return len(name) <= _LONGEST and _NAME.match(name) is not None


def check_name(name: str) -> None:
    """Raises WrongUse."""
    if not is_name(name):
        raise WrongUse(f"{name[:100]!r} cannot be the name of an anchor", "use letters, digits, dot, dash, underscore")


def check_size(data: bytes) -> None:
    """Raises WrongUse."""
    if len(data) > MOST_BYTES:
        raise WrongUse(f"an anchor of {len(data):,} bytes is too large", f"at most {MOST_BYTES:,} bytes are kept")


def too_large(where: str, name: str) -> NotADocument:
    """The error for a document that nobody writes in that size."""
    return NotADocument(f"{name} in {where} is larger than any anchor", _REMEDY)


def no_file(where: str, name: str) -> NotADocument:
    """The error for something that bears the name of a document and is no file."""
    return NotADocument(f"{name} in {where} is no regular file", _REMEDY)
