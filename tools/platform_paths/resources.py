"""Brings together what all packages say of one resource type.

Rules:
- Letter case does not tell types apart; the spelling that most requests use is kept.
- Of several api-versions the one counts that can be written, is stable and is the newest, in this order of weight; each
  literal name has its own.
- What any other stable api-version lets a PUT or PATCH write is writable.
- A type, or a literal name, that can only be read counts where its model has an `id`: the rest are answers, not resources.
- A literal name that can only be posted to or deleted is no name of a resource.
- A name that can only be read is written as the other names of its type are, if they are.
- A POST whose name begins with `list`, `get` or `export…` tells settings that a GET does not show; so do those that give keys
  under another name. The health of back ends, the state of peers and the address of a package to load are none.
- A type that can only be read and is written as a part of a resource above it goes by the marks of its own model.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from tools.platform_paths.bodies import Bodies, may_be_sent, models_in, once
from tools.platform_paths.schema import Folder, Models, Operation, Package
from tools.platform_paths.urls import Target, targets

_WRITES = ("PUT", "PATCH")
_SHOWS_AND_WRITES = ("GET", *_WRITES)
_TELLS_SETTINGS = re.compile(  # a bare `export` writes data somewhere else
    r"list|get|export(?=[a-z])|(?:shared|readonly)keys$|pnscredentials$", re.IGNORECASE
)
_TELLS_NO_SETTINGS = re.compile(r"health|peerstatus|packageurl", re.IGNORECASE)


@dataclass(frozen=True)
class Use:
    """One request for one target, and where it was read."""

    target: Target
    operation: Operation
    models: Models
    package: str


@dataclass
class Form:
    """One form of a resource: what a GET shows, and what a PUT or PATCH sends."""

    shown: Bodies = ()
    sent: Bodies = ()


@dataclass
class Resource:
    """One resource type. `forms`: by the literal name in the URL, None for a name that people choose."""

    name: str
    package: str
    api_version: str
    can_be_put: bool
    forms: dict[str | None, Form] = field(default_factory=dict)
    settings_by_post: tuple[str, ...] = ()


def uses_of(packages: Iterable[Package]) -> dict[str, list[Use]]:
    """Every request for a resource, by its type in lower case."""
    found: dict[str, list[Use]] = defaultdict(list)
    for package in packages:
        for folder in package.folders:
            for use in _uses(package, folder):
                found[use.target.resource_type.lower()].append(use)
    return dict(sorted(found.items()))


def _uses(package: Package, folder: Folder) -> Iterator[Use]:
    for operation in folder.operations:
        for target in targets(operation.url, dict(operation.enums)):
            yield Use(target, operation, folder.models, package.title)


class Resources:
    """All resource types by their name in lower case. `skipped`: types that are none, with the reason."""

    def __init__(self, uses: dict[str, list[Use]]) -> None:
        self._spellings = _Spellings(uses)
        self.skipped: dict[str, str] = {}
        self.types: dict[str, Resource] = {}
        for key, all_uses in uses.items():
            requests = _of_resources(all_uses)
            if not requests:
                continue
            resource = self._resource(key, requests)
            if not resource.can_be_put and not any(map(_is_resource, resource.forms.values())):
                self.skipped[resource.name] = "can only be read, and its model has no id"
            else:
                self.types[key] = resource
        for key, resource in self.types.items():
            self._written_with_its_parent(key, resource)
            resource.settings_by_post = self._settings(key, uses[key])
        self.bodies = self._bodies()

    def _resource(self, key: str, requests: list[Use]) -> Resource:
        best = max(_by_folder(requests), key=_rank)
        resource = Resource(self._spellings.of(key), best[0].package, _version(best), any(map(_is_write, requests)))
        for literal in sorted({use.target.literal for use in requests}, key=str):
            resource.forms[literal] = _form([use for use in requests if use.target.literal == literal])
        _leave_out_answers(resource, {use.target.literal for use in requests if _is_write(use)})
        everything_sent = once(body for form in resource.forms.values() for body in form.sent)
        for form in resource.forms.values():
            form.sent = form.sent or everything_sent
        return resource

    def _written_with_its_parent(self, key: str, resource: Resource) -> None:
        parent = self.types.get(key.rpartition("/")[0])
        if resource.can_be_put or parent is None or not parent.can_be_put:
            return
        reached = may_be_sent(tuple(body for form in parent.forms.values() for body in form.sent))
        for form in resource.forms.values():
            form.sent = once((m, v) for m, v in form.shown if any((m, name) in reached for name in v.models))

    def _settings(self, key: str, uses: list[Use]) -> tuple[str, ...]:
        """The POST requests that tell what a GET does not; one to a collection of children creates a child."""
        actions = {use.target.action for use in uses if use.operation.verb == "POST" and use.target.action}
        return tuple(
            sorted(name for name in actions if _tells_settings(name) and f"{key}/{name.lower()}" not in self.types)
        )

    def _bodies(self) -> dict[tuple[Models, str], set[str]]:
        """The types whose body a model is, for each model that looks like a resource."""
        found: dict[tuple[Models, str], set[str]] = defaultdict(set)
        for key, resource in self.types.items():
            for form in resource.forms.values():
                for models, model in models_in(once((*form.shown, *form.sent))):
                    if {"id", "properties"} <= set(model.properties):
                        found[models, model.name].add(key)
        return found

    def keep_namespaces(self, namespaces: Container[str]) -> None:
        """Leaves out the types of other namespaces; `namespaces` in lower case."""
        self.types = {key: item for key, item in self.types.items() if key.partition("/")[0] in namespaces}

    def is_reference(self, key: str, models: Models, model: str) -> bool:
        """Whether a model inside the body of the type `key` is another resource, not a child of it."""
        types = self.bodies.get((models, model), set())
        return bool(types) and not any(name == key or name.startswith(f"{key}/") for name in types)


def _of_resources(uses: list[Use]) -> list[Use]:
    return [use for use in uses if use.target.action is None and use.operation.verb in _SHOWS_AND_WRITES]


def _leave_out_answers(resource: Resource, written: set[str | None]) -> None:
    """Leaves out the literal names that only tell something, where the type has a form beside them."""
    forms = {
        name: form for name, form in resource.forms.items() if name is None or name in written or _is_resource(form)
    }
    resource.forms = forms or resource.forms


def _tells_settings(action: str) -> bool:
    return _TELLS_SETTINGS.match(action) is not None and _TELLS_NO_SETTINGS.search(action) is None


def _by_folder(uses: list[Use]) -> list[list[Use]]:
    found: dict[Models, list[Use]] = defaultdict(list)
    for use in uses:
        found[use.models].append(use)
    return list(found.values())


def _form(uses: list[Use]) -> Form:
    """The form of one literal name (or of the names that people choose), by all requests for it."""
    form, folders = Form(), _by_folder(uses)
    best = max(folders, key=_rank)
    for use in best:
        _add(form, use)
    for others in folders:
        if others is not best and not _is_preview(_version(others)):
            for use in filter(_is_write, others):
                _add(form, use)
    return form


def _add(form: Form, use: Use) -> None:
    operation = use.operation
    if operation.verb == "GET" and operation.result is not None:
        form.shown = once((*form.shown, (use.models, operation.result)))
    elif operation.verb in _WRITES and operation.body is not None:
        form.sent = once((*form.sent, (use.models, operation.body)))


def _rank(uses: list[Use]) -> tuple[bool, bool, str, str]:
    version = _version(uses)
    return any(map(_is_write, uses)), not _is_preview(version), version, uses[0].package


def _version(uses: list[Use]) -> str:
    return max(use.operation.api_version for use in uses)


def _is_preview(version: str) -> bool:
    return "-" in version[10:]


def _is_write(use: Use) -> bool:
    return use.operation.verb in _WRITES


def _is_resource(form: Form) -> bool:
    return any("id" in model.properties for _, model in models_in(form.shown))


class _Spellings:
    """The most used spelling of each segment of the types."""

    def __init__(self, uses: dict[str, list[Use]]) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        for key, found in uses.items():
            for use in found:
                at = ""
                for segment, spelled in zip(key.split("/"), use.target.resource_type.split("/"), strict=True):
                    at += f"/{segment}"
                    self._counts[at][spelled] += 1

    def of(self, key: str) -> str:
        at, segments = "", []
        for segment in key.split("/"):
            at += f"/{segment}"
            counts = self._counts[at]
            segments.append(min(counts, key=lambda spelled: (-counts[spelled], spelled)))
        return "/".join(segments)
