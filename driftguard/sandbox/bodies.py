"""Bodies: what of a written body is kept, and what a stored body looks like when it is read.

Rules:
- Identity (`id`, `name`, `type`), ETags, `systemData` and `provisioningState` are ARM's: dropped from what is written,
  added to what is read, at the resource and at every embedded child.
- A read-only property stays as it stands; a default fills what is left out (tables in `shapes.py`).
- An embedded child needs a name; its ETag is its parent's, for both are one document.
- A property that an api-version does not know is not shown at it.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from driftguard.sandbox import etags, shapes
from driftguard.sandbox.answers import invalid_body

Json = Any  # what json.loads gives
_ARMS_OWN = ("id", "name", "type", "etag", "eTag", "systemData")


@dataclass(frozen=True, slots=True)
class Record:
    """A stored resource. The body is kept as JSON text, so that every reader gets a copy of its own.

    `created` and `written`: when its configuration was written first and last. `state`: the provisioningState,
    None for a type that shows none. `tracked`: has a location, so the generic list shows it.
    """

    id: str
    type: str
    text: str
    etag: str
    created: datetime
    written: datetime
    state: str | None
    tracked: bool

    @property
    def key(self) -> str:
        """The id as it is compared."""
        return self.id.lower()

    def body(self) -> dict[str, Json]:
        """A copy of the stored body."""
        loaded: dict[str, Json] = json.loads(self.text)
        return loaded


def accepted(resource_type: str, written: Json, old: dict[str, Json] | None) -> dict[str, Json]:
    """The body to store for a written one. `old` is the stored body, None on create. Raises Refused for no object."""
    if not isinstance(written, dict):
        raise invalid_body("an object is expected")
    body = {name: copy.deepcopy(value) for name, value in written.items() if name not in _ARMS_OWN}
    _keep(body, old or {}, shapes.READ_ONLY_TOP.get(resource_type.lower(), ()))
    properties = _properties(resource_type, body, old)
    for collection in shapes.EMBEDDED.get(resource_type.lower(), ()):
        if collection in properties:
            properties[collection] = _children(f"{resource_type}/{collection}", properties[collection], old, collection)
    return body


def _properties(resource_type: str, body: dict[str, Json], old: dict[str, Json] | None) -> dict[str, Json]:
    """The body's properties, with what is read-only taken from the old ones and the defaults filled in."""
    properties = body.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        raise invalid_body("properties must be an object")
    for name in ("provisioningState", "etag", "eTag"):
        properties.pop(name, None)
    _keep(properties, (old or {}).get("properties", {}), shapes.READ_ONLY.get(resource_type.lower(), ()))
    for name, value in shapes.DEFAULTS.get(resource_type.lower(), {}).items():
        properties.setdefault(name, copy.deepcopy(value))
    if properties or "properties" in body:
        body["properties"] = properties
    return properties


def _keep(new: dict[str, Json], old: dict[str, Json], names: tuple[str, ...]) -> None:
    for name in names:
        new.pop(name, None)
        if name in old:
            new[name] = old[name]


def _children(child_type: str, written: Json, old: dict[str, Json] | None, collection: str) -> list[Json]:
    if not isinstance(written, list):
        raise invalid_body(f"{collection} must be a list")
    before = {child["name"].lower(): child for child in (old or {}).get("properties", {}).get(collection, [])}
    return [accepted_child(child_type, child, before) for child in written]


def accepted_child(child_type: str, written: Json, before: dict[str, dict[str, Json]]) -> dict[str, Json]:
    """The element to store for an embedded child. `before`: the stored elements by lower-cased name."""
    if not isinstance(written, dict) or not isinstance(written.get("name"), str) or not written["name"]:
        raise invalid_body(f"an element of {child_type.rpartition('/')[2]} needs a name")
    child = accepted(child_type, written, before.get(written["name"].lower()))
    return {"name": written["name"], **child}


def rendered(record: Record, api_version: str) -> dict[str, Json]:
    """The resource as a GET shows it."""
    body = record.body()
    shown: dict[str, Json] = {"name": record.id.rsplit("/", 1)[-1], "id": record.id, "type": record.type}
    form = etags.form_of(record.type)
    if not form.in_properties:
        etags.put_in_body(form, record.etag, api_version, shown)
    shown |= body
    _show_properties(shown, record, record.type, api_version)
    if form.in_properties:
        etags.put_in_body(form, record.etag, api_version, shown)
    for collection in shapes.EMBEDDED.get(record.type.lower(), ()):
        if collection in shown["properties"]:
            shown["properties"][collection] = [
                _shown_child(record, collection, child, api_version) for child in shown["properties"][collection]
            ]
    return shown


def rendered_child(record: Record, collection: str, child: dict[str, Json], api_version: str) -> dict[str, Json]:
    """An embedded child as a GET of its own id shows it."""
    return _shown_child(record, collection, child, api_version)


def _shown_child(record: Record, collection: str, child: dict[str, Json], api_version: str) -> dict[str, Json]:
    child_type = f"{record.type}/{collection}"
    shown = {"name": child["name"], "id": f"{record.id}/{collection}/{child['name']}"}
    etags.put_in_body(etags.form_of(child_type), record.etag, api_version, shown)
    shown |= {"type": child_type, **{name: value for name, value in child.items() if name != "name"}}
    _show_properties(shown, record, child_type, api_version)
    return shown


def _show_properties(shown: dict[str, Json], record: Record, shown_type: str, api_version: str) -> None:
    if record.state is not None:
        shown["properties"] = {"provisioningState": record.state, **shown.get("properties", {})}
    for name, since in shapes.SINCE.get(shown_type.lower(), {}).items():
        if api_version and api_version < since:
            shown["properties"].pop(name, None)


def merged(old: Json, patch: Json) -> Json:
    """A JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
