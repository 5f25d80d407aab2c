"""The members of a view as a text needs them: a view may come from a service of another version.

Rules:
- What is not there, or is of another form than a text needs, is empty: it never stops a text.
- Nothing here makes text safe to print; `untrusted.py` does, where it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Members = Mapping[str, Any]


def text(view: Members, name: str) -> str:
    """The member as text; empty for null and for what is no text or number."""
    value = view.get(name)
    return str(value) if isinstance(value, str | int | float) else ""


def texts(view: Members, name: str) -> list[str]:
    """The texts in the member."""
    return [item for item in _items(view, name) if isinstance(item, str)]


def mapping(view: Members, name: str) -> Members:
    """The object that the member is."""
    value = view.get(name)
    return value if isinstance(value, Mapping) else {}


def mappings(view: Members, name: str) -> list[Members]:
    """The objects in the member."""
    return [item for item in _items(view, name) if isinstance(item, Mapping)]


def count(view: Members, name: str) -> int:
    """The number that the member is, 0 where it is none."""
    value = view.get(name)
    return value if isinstance(value, int) else 0


def _items(view: Members, name: str) -> list[Any]:
    value = view.get(name)
    return list(value) if isinstance(value, list | tuple) else []
