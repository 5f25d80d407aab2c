"""An anchor: the heads of all ledgers of a store on one day, as one document that is kept outside the store.

Rules:
- Its name says the day (UTC) and the store: `heads/2026-11-22-<store>.json`. It is written once and never changed.
- It names the document before it, with that one's digest: one that is removed or replaced afterwards shows in the next.
- `heads` holds the ledgers that were whole, and followed from the anchor before. A job whose ledger was not is in `faults`,
  one line, and its head is not anchored; `last_good` names the anchor that had one of it last.
- What is read is what somebody may have put there: anything of another form is NotAnAnchor.

{"schema", "store", "at", "previous": {"name", "digest"} or null, "heads": {job: {"number", "hash"}}, "faults": {job: text},
"last_good": {job: {"number", "hash", "anchor"}}}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from driftguard.errors import Unavailable
from driftguard.flow.ledger import GENESIS
from driftguard.flow.moment import from_text, to_text
from driftguard.flow.strict_json import NotJson, parse_object

SCHEMA = "driftguard/heads/1"
STORE_ID = re.compile(r"[A-Za-z0-9]{4,64}\Z")

_NAME = re.compile(r"heads/([0-9]{4}-[0-9]{2}-[0-9]{2})-([A-Za-z0-9]{4,64})\.json\Z")
_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")  # what a job may be called
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_MOST_ENTRIES = 10**10  # an entry's number has ten digits in the store


class NotAnAnchor(ValueError):
    """This is not a document that was ever written as an anchor; the message says why, without a part of it."""


class NotADocument(Unavailable):
    """What lies under this name cannot be a document, such as a file that is too large. The place itself answers."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a ledger: its number (from 1; 0: no entry) and hash (SHA-256 hex)."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Link:
    """A document by its name and the digest of its bytes."""

    name: str
    digest: str

    @property
    def day(self) -> date:
        """Of which day it is."""
        of = named(self.name)
        return of[0] if of else date.min

    def is_of(self, store: str) -> bool:
        """Whether it is of the store with this id."""
        of = named(self.name)
        return of is not None and of[1] == store


@dataclass(frozen=True)
class Anchor:
    """One document. `last_good` is, by job, a head and the name of the anchor that has it."""

    store: str
    at: datetime
    previous: Link | None = None
    heads: Mapping[str, Head] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    last_good: Mapping[str, tuple[Head, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is kept under."""
        return name_of(self.at.date(), self.store)

    def to_bytes(self) -> bytes:
        """As it is kept: JSON that a person can read, the same bytes for the same anchor."""
        document = {
            "schema": SCHEMA,
            "store": self.store,
            "at": to_text(self.at),
            "previous": {"name": self.previous.name, "digest": self.previous.digest} if self.previous else None,
            "heads": {job: _head_view(head) for job, head in self.heads.items()},
            "faults": dict(self.faults),
            "last_good": {job: {**_head_view(head), "anchor": name} for job, (head, name) in self.last_good.items()},
        }
        return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode("ascii")

    @staticmethod
    def from_bytes(name: str, data: bytes) -> Anchor:
        """What was kept under this name. Raises NotAnAnchor."""
        try:
            document = parse_object(data, "the document")
            if document.get("schema") != SCHEMA:
                raise NotAnAnchor(f"its schema is not {SCHEMA}")
            previous = document["previous"]
            anchor = Anchor(
                store=_text(document["store"], STORE_ID),
                at=from_text(document["at"]),
                previous=_link(previous) if previous is not None else None,
                heads={_text(job, _JOB): _head(head) for job, head in document["heads"].items()},
                faults={job: str(told) for job, told in document["faults"].items()},
                last_good={
                    _text(job, _JOB): (_head(one), _text(one["anchor"], _NAME))
                    for job, one in document["last_good"].items()
                },
            )
        except NotJson as error:
            raise NotAnAnchor(str(error)) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, NotAnAnchor):
                raise
            raise NotAnAnchor(f"it has a member of another form ({type(error).__name__})") from None
        if anchor.name != name:
            raise NotAnAnchor("it is of another day or store than its name says")
        return anchor


def name_of(day: date, store: str) -> str:
    """The name of a store's anchor of a day."""
    return f"heads/{day.isoformat()}-{store}.json"


def named(name: str) -> tuple[date, str] | None:
    """(day, store) of the name of an anchor; None for any other name."""
    found = _NAME.match(name)
    try:
        return (date.fromisoformat(found[1]), found[2]) if found else None
    except ValueError:  # such as the 30th of February
        return None


def digest_of(data: bytes) -> str:
    """`sha256:` and the hex digest of a document's bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def link_of(stored: Mapping[str, Any]) -> Link:
    """A link that was written as {"name", "digest"}. Raises NotAnAnchor."""
    try:
        return _link(stored)
    except (KeyError, ValueError):
        raise NotAnAnchor("it names no anchor") from None


def head_of(number: object, digest: object) -> Head:
    """A head of these parts. Raises ValueError for what no ledger's head can be."""
    # An exact type: True is a whole number to Python.
    if type(number) is not int or not 0 <= number < _MOST_ENTRIES or (number == 0) is not (digest == GENESIS):
        raise ValueError("no number of an entry")
    return Head(number, _text(digest, _HASH))


def _head(stored: Mapping[str, Any]) -> Head:
    return head_of(stored["number"], stored["hash"])


def _link(stored: Mapping[str, Any]) -> Link:
    return Link(_text(stored["name"], _NAME), _text(stored["digest"], _DIGEST))


def _head_view(head: Head) -> dict[str, Any]:
    return {"number": head.number, "hash": head.hash}


def _text(value: object, form: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not form.match(value):
        raise ValueError("a text of another form")
    return value
