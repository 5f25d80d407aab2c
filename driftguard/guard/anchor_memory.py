"""What a store remembers of its anchors: its own id, by which two stores can share a place, and the last document there.

Rules:
- Partition `~anchors`: the row `store`/`store` {"id", "at"}, made once; one row of kind `last` a place {"where", "name",
  "digest", "at"}. A copy of the store has both: it is the same history.
- A document of a later day is never replaced by one of an earlier, but one of a day that has not come yet by any clock: those
  of two processes may be CLOCKS_APART.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from driftguard.errors import Conflict
from driftguard.flow.anchor import STORE_ID, Link, NotAnAnchor, link_of
from driftguard.flow.moment import to_text
from driftguard.flow.ports import Anchors, Put, Row, Store
from driftguard.guard.blobs import Damaged
from driftguard.guard.context import Guard

PARTITION = "~anchors"
_STORE, _LAST = "store", "last"
CLOCKS_APART = timedelta(hours=1)
_TRIES = 10


def store_id(store: Store) -> str | None:
    """The id under which this store anchors; None where it never did. Raises Damaged."""
    row = store.get(PARTITION, _STORE, _STORE)
    if row is None:
        return None
    stored = row.body.get("id")
    if not isinstance(stored, str) or not STORE_ID.match(stored):
        raise Damaged("the store's id for anchors is damaged", "restore it from a backup; nothing was anchored")
    return stored


def own_id(guard: Guard) -> str:
    """The store's id, made now where it has none. Raises Damaged."""
    found = store_id(guard.store)
    if found is not None:
        return found
    made = guard.new_id()
    with suppress(Conflict):  # another process made one
        guard.store.commit(
            PARTITION, [Put(_STORE, _STORE, {"schema": 1, "id": made, "at": to_text(guard.clock.now())}, None)]
        )
    return store_id(guard.store) or made


def last_anchor(store: Store, place: Anchors) -> Link | None:
    """The last document that the store wrote to this place, as far as it remembers. Raises Damaged."""
    return _link_in(_row(store, place))


def remember(store: Store, place: Anchors, written: Link, now: datetime) -> None:
    """Note the last document of this place; a later one that another process noted meanwhile stays."""
    body: dict[str, Any] = {"schema": 1, "where": place.where, "name": written.name, "digest": written.digest}
    for _ in range(_TRIES):
        row = _row(store, place)
        known = _link_in(row)
        if known and written.day < known.day <= (now + CLOCKS_APART).date():
            return
        put = Put(_LAST, _key_of(place), {**body, "at": to_text(now)}, row.version if row else None)
        with suppress(Conflict):  # another process noted one: look again
            store.commit(PARTITION, [put])
            return


def _row(store: Store, place: Anchors) -> Row | None:
    return store.get(PARTITION, _LAST, _key_of(place))


def _link_in(row: Row | None) -> Link | None:
    try:
        return link_of(row.body) if row else None
    except NotAnAnchor:
        raise Damaged("what the store remembers of its last anchor is damaged", "restore it from a backup") from None


def _key_of(place: Anchors) -> str:
    return hashlib.sha256(place.where.encode()).hexdigest()[:16]
