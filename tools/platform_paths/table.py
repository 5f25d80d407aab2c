"""The entries of the table: one per resource type, in files by provider namespace.

Rules:
- Literal names whose models differ have their own entries under `names`; where all are alike the type itself tells.
- `children` are the known types with exactly one more segment.
- Empty keys are left out, except `package` and `read_only`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tools.platform_paths.bodies import Bodies
from tools.platform_paths.exceptions import above_exceptions, unused, without_exceptions
from tools.platform_paths.paths import Paths, platform_paths
from tools.platform_paths.resources import Form, Resource, Resources

Entry = dict[str, Any]


@dataclass
class Table:
    """The entries by namespace and type.

    `in_doubt`: paths left writable, as `type path`; `found`: every read-only path before exceptions, with its type.
    """

    files: dict[str, dict[str, Entry]] = field(default_factory=dict)
    in_doubt: list[str] = field(default_factory=list)
    found: set[tuple[str, str]] = field(default_factory=set)


def table_of(resources: Resources) -> Table:
    """The whole table. Raises ValueError where an exception is out of date."""
    table = Table()
    children = _children(resources.types)
    for key, resource in resources.types.items():
        entry = _entry(key, resource, resources, table)
        entry |= {"children": children[key]} if key in children else {}
        entry |= {"settings_by_post": list(resource.settings_by_post)} if resource.settings_by_post else {}
        table.files.setdefault(resource.name.partition("/")[0], {})[resource.name] = entry
    if left := unused(table.found, (resource.name for resource in resources.types.values())):
        raise ValueError(f"rows of exceptions.py that leave nothing out: {', '.join(left)}")
    return table


def _entry(key: str, resource: Resource, resources: Resources, table: Table) -> Entry:
    is_reference = partial(resources.is_reference, key)
    find = partial(platform_paths, is_reference=is_reference, opened=above_exceptions(resource.name))
    own, named = _split(resource.forms)
    paths = find(own.shown, own.sent) if own is not None else Paths()
    names = {name: find(form.shown, form.sent) for name, form in sorted(named.items())}
    every = (paths, *names.values())
    table.found |= {(resource.name, path) for found in every for path in found.read_only}
    table.in_doubt += [f"{resource.name} {path}" for found in every for path in found.in_doubt]
    entry: Entry = {"package": resource.package, **_lists(resource.name, paths)}
    if names:
        entry["names"] = {name: _lists(resource.name, found) for name, found in names.items()}
    return entry


def _split(forms: Mapping[str | None, Form]) -> tuple[Form | None, dict[str, Form]]:
    """The form of the type itself, and the forms of literal names that differ from it."""
    literal = {name: form for name, form in forms.items() if name is not None}
    own = forms.get(None)
    if own is None:
        first, *others = literal.values()
        if all(_is_alike(first, other) for other in others):
            return first, {}
        return None, literal
    return own, {name: form for name, form in literal.items() if not _is_alike(own, form)}


def _is_alike(one: Form, other: Form) -> bool:
    return _names(one.shown) == _names(other.shown) and _names(one.sent) == _names(other.sent)


def _names(bodies: Bodies) -> frozenset[tuple[str, ...]]:
    return frozenset(value.models for _, value in bodies)


def _lists(name: str, paths: Paths) -> Entry:
    return {"read_only": without_exceptions(name, paths.read_only)} | ({"secret": paths.secret} if paths.secret else {})


def _children(types: Mapping[str, Resource]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for key, resource in types.items():
        found[key.rpartition("/")[0]].append(resource.name.rpartition("/")[2])
    return {parent: sorted(names) for parent, names in found.items()}
