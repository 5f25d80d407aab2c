"""A row's version, made of its entity's ETag and turned back into it.

Rules:
- A version has only letters, digits and `-`, so that it can stand in an HTTP ETag of ours.
- Only a version of exactly this form becomes an ETag again. Everything else, `*` first of all, is no version of any row:
  a caller's If-Match comes to here, and what is sent must always be a condition that one state of one entity meets.

An entity's ETag is W/"datetime'2026-11-22T20%3A44%3A34.1234567Z'"; its version is 20261122T204434-1234567.
Source: learn.microsoft.com "Understanding the Table service data model" (the ETag is made of the Timestamp).
"""

from __future__ import annotations

import re

_ETAG = re.compile(r"W/\"datetime'(\d{4})-(\d\d)-(\d\d)T(\d\d)%3A(\d\d)%3A(\d\d)(?:\.(\d{1,9}))?Z'\"", re.ASCII)
_VERSION = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:-(\d{1,9}))?", re.ASCII)

NEVER = "16010101T000000"
"""A version that no row is at: of a write that was made, and whose row somebody changed before its ETag was learned."""


def version_of(etag: object) -> str:
    """The version of an ETag as Azure sends it. Raises ValueError for one of another form."""
    found = _ETAG.fullmatch(etag) if isinstance(etag, str) else None
    if found is None:
        raise ValueError("not the ETag of an entity")
    year, month, day, hour, minute, second, fraction = found.groups()
    return f"{year}{month}{day}T{hour}{minute}{second}" + (f"-{fraction}" if fraction else "")


def etag_of(version: str) -> str | None:
    """The ETag of a version; None for what is no version."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction = found.groups()
    time = f"{year}-{month}-{day}T{hour}%3A{minute}%3A{second}" + (f".{fraction}" if fraction else "")
    return f"W/\"datetime'{time}Z'\""
