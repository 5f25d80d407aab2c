"""The state: every resource of the sandbox by its lower-cased id, and what is still being provisioned.

Rules:
- Whoever calls holds the lock of `Arm`: a write with its side effects is one step for every reader.
- Every write of a document gives it a new ETag; so does the end of its provisioning, and every side effect.
- Deleting a resource or a group deletes everything below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from driftguard.errors import WrongUse
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox import effects, etags, shapes
from driftguard.sandbox.bodies import Record, rendered, rendered_child

Json = Any  # what json.loads gives
GROUP = "microsoft.resources/resourcegroups"
LOCK = "microsoft.authorization/locks"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is stored: a record, or for an embedded child an element of a collection of it."""

    key: str
    collection: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """A write that goes on until `until`, when the record gets the state `ends`. `note` is the writer's own."""

    key: str
    until: datetime
    note: Json
    ends: str = "Succeeded"


def place_of(ref: ResourceRef) -> Place:
    """The place of a ref: literal table of embedded children."""
    parent_type, _, last = ref.type.rpartition("/")
    for collection in shapes.EMBEDDED.get(parent_type.lower(), ()):
        if collection.lower() == last.lower():
            return Place(ref.key.rsplit("/", 2)[0], collection, ref.name)
    return Place(ref.key)


def child_of(body: dict[str, Json], place: Place) -> dict[str, Json] | None:
    """The element of an embedded child in its parent's body."""
    children: list[dict[str, Json]] = body.get("properties", {}).get(place.collection, [])
    return next((child for child in children if child["name"].lower() == place.name.lower()), None)


class State:
    """All records. The methods are not safe for threads by themselves."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._locks: set[str] = set()
        self._provisioning: dict[str, Provisioning] = {}

    def find(self, place: Place) -> dict[str, Json] | None:
        """The stored body at a place, or None."""
        record = self.records.get(place.key)
        if record is None:
            return None
        return child_of(record.body(), place) if place.collection else record.body()

    def shown(self, place: Place, api_version: str) -> dict[str, Json] | None:
        """What a GET of that place shows, or None."""
        record = self.records.get(place.key)
        if record is None:
            return None
        if not place.collection:
            return rendered(record, api_version)
        child = child_of(record.body(), place)
        return None if child is None else rendered_child(record, place.collection, child, api_version)

    def write(self, ref: ResourceRef, body: dict[str, Json], now: datetime) -> Record:
        """Store an accepted body at the place of `ref`; an embedded child goes into its parent, which must exist."""
        place = place_of(ref)
        old = self.records.get(place.key)
        if place.collection:
            assert old is not None  # the caller has refused a child without its parent
            body = _with_child(old.body(), place, body)
        before = effects.links_of(old.type, old.id, old.body()) if old else set()
        resource_type, resource_id = (old.type, old.id) if old else (ref.type, ref.id)
        record = Record(
            id=resource_id,
            type=resource_type,
            text=json.dumps(body, separators=(",", ":")),
            etag=etags.next_value(etags.form_of(resource_type), old.etag if old else None),
            created=old.created if old else now,
            written=now,
            state="Succeeded" if shapes.has_state(resource_type) else None,
            tracked="location" in body,
        )
        self._keep(record)
        self._follow(before, effects.links_of(resource_type, resource_id, body))
        return self.records[record.key]

    def remove(self, place: Place) -> None:
        """Delete what is at a place, and everything below it."""
        if place.collection:
            record = self.records[place.key]
            body = record.body()
            before = effects.links_of(record.type, record.id, body)
            body["properties"][place.collection].remove(child_of(body, place))
            self._follow(before, effects.links_of(record.type, record.id, body))
            self.change(place.key, body)
            self._drop_below(f"{place.key}/{place.collection}/{place.name}".lower() + "/")
        else:
            self._drop_below(place.key + "/")
            self._drop(place.key)

    def change(self, key: str, body: dict[str, Json] | None = None, state: str | None = None) -> None:
        """Move a record's ETag; with a body or a provisioningState, set that as well. No event, no write time."""
        record = self.records[key]
        self.records[key] = replace(
            record,
            text=record.text if body is None else json.dumps(body, separators=(",", ":")),
            etag=etags.next_value(etags.form_of(record.type), record.etag),
            state=state or record.state,
        )

    def begin(self, key: str, now: datetime, seconds: float, note: Json) -> datetime:
        """The record at `key` is not terminal until `seconds` from now; returns when that is."""
        until = now + timedelta(seconds=seconds)
        record = self.records[key]
        self.records[key] = replace(record, state=shapes.going_on(record.type))
        self._provisioning[key] = Provisioning(key, until, note)
        return until

    def busy(self, key: str) -> Provisioning | None:
        """The provisioning that goes on for a record, or None."""
        return self._provisioning.get(key)

    def will_fail(self, key: str) -> None:
        """What is being provisioned at `key` will end as Failed."""
        self._provisioning[key] = replace(self._provisioning[key], ends="Failed")

    def settle(self, now: datetime) -> list[Provisioning]:
        """End what is due: its last state, and a new ETag. Returns what ended."""
        if not self._provisioning:
            return []
        due = [it for it in self._provisioning.values() if it.until <= now]
        for it in due:
            del self._provisioning[it.key]
            self.change(it.key, state=it.ends)
        return due

    def below(self, prefix: str) -> Iterator[Record]:
        """The records whose key starts with a prefix, in order of creation."""
        return (record for key, record in self.records.items() if key.startswith(prefix))

    def locks_over(self, key: str) -> list[tuple[str, str]]:
        """(scope, level) of each lock at a key or above it."""
        return [lock for lock in self._all_locks() if f"{key}/".startswith(lock[0].lower() + "/")]

    def locks_below(self, key: str) -> list[tuple[str, str]]:
        """(scope, level) of each lock below a key."""
        return [lock for lock in self._all_locks() if lock[0].lower().startswith(key + "/")]

    def _all_locks(self) -> list[tuple[str, str]]:
        locks = [self.records[key] for key in sorted(self._locks)]
        return [
            (lock.id[: lock.key.rindex("/providers/")], str(lock.body().get("properties", {}).get("level", "")))
            for lock in locks
        ]

    def _keep(self, record: Record) -> None:
        self.records[record.key] = record
        if record.type.lower() == LOCK:
            self._locks.add(record.key)

    def _drop(self, key: str) -> None:
        record = self.records.pop(key)
        self._locks.discard(key)
        self._provisioning.pop(key, None)
        self._follow(effects.links_of(record.type, record.id, record.body()), set())

    def _drop_below(self, prefix: str) -> None:
        for key in [record.key for record in self.below(prefix)]:
            self._drop(key)

    def _follow(self, before: set[effects.Link], after: set[effects.Link]) -> None:
        for link in sorted(before - after, key=str):
            self._apply(link, added=False)
        for link in sorted(after - before, key=str):
            self._apply(link, added=True)

    def _apply(self, link: effects.Link, *, added: bool) -> None:
        try:
            place = place_of(parse_ref(link.target))
        except WrongUse:  # the body's author wrote something that is no id
            return
        record = self.records.get(place.key)
        body = record.body() if record else {}
        target = child_of(body, place) if place.collection else body
        if record is None or target is None:
            return
        (effects.add if added else effects.remove)(target, link)
        self.change(place.key, body)


def _with_child(parent: dict[str, Json], place: Place, child: dict[str, Json]) -> dict[str, Json]:
    """The parent's body with the child in the place of the one of that name, else at the end."""
    children = parent.setdefault("properties", {}).setdefault(place.collection, [])
    index = next((i for i, it in enumerate(children) if it["name"].lower() == place.name.lower()), len(children))
    children[index : index + 1] = [child]
    return parent
