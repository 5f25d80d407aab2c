"""Which paths of a resource Azure writes itself, and which hold a secret that it never shows again.

Rules:
- A path is read-only where no PUT or PATCH model lets it be written, and a model marks it so or a GET shows it all the same.
- A path that is read-only in one subtype and writable in another is writable. So is whatever stands in an object that is not
  described, or that may hold any property.
- The topmost path is told: it covers everything below it. `properties` itself is never told, only what stands in it; so is
  an object in which a person can change something by another request (`opened`).
- `id`, `name` and `etag` are never told, nor are `type`, `location`, `tags` and `systemData` of the resource itself, nor
  `provisioningState` anywhere: they have rules of their own.
- An embedded resource of another type is not entered: a body holds a reference there.
- What a GET shows beyond a request is writable where the request sends something of the same kind that a GET does not show:
  it may be the same under another name.
- Of a managed identity Azure writes what it is known by, whatever a model says.
- Cycles are cut.
- A request without `properties` may send at the top what a GET shows under `properties`: that is writable too.
- What is written and never shown may be a secret (secrets.py), but not at the top: there it is a request of another shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tools.platform_paths.bodies import Bodies, Named, below, elements, has, models_in, names_in, once, properties
from tools.platform_paths.schema import Kind, Models, Property
from tools.platform_paths.secrets import SecretPaths, has_secure_texts

_DEEPEST = 14  # objects; nothing real nests deeper
_NEVER = frozenset({"id", "name", "etag", "provisioningstate"})
_NEVER_AT_THE_TOP = _NEVER | {"type", "location", "tags", "systemdata"}

# Of a managed identity Azure writes these at every api-version, marked or not.
# Source: github Azure/azure-rest-api-specs, specification/common-types/resource-management/v5/managedidentity.json.
_OF_AN_IDENTITY = frozenset(
    {
        "identity.principalid",
        "identity.tenantid",
        "identity.userassignedidentities.*.clientid",
        "identity.userassignedidentities.*.principalid",
    }
)

IsReference = Callable[[Models, str], bool]  # whether a model of this name is a resource that is not embedded here


@dataclass
class Paths:
    """What was found for one form of a resource. `in_doubt`: left writable, since the models disagree."""

    read_only: list[str] = field(default_factory=list)
    secret: list[str] = field(default_factory=list)
    in_doubt: list[str] = field(default_factory=list)


def platform_paths(
    shown: Bodies, sent: Bodies, is_reference: IsReference, opened: frozenset[str] = frozenset()
) -> Paths:
    """The paths of a resource that a GET answers as `shown` and a PUT or PATCH sends as `sent`; sorted.

    Nothing shown: the models that are sent say by themselves what is read-only. Nothing sent: everything is.
    """
    walk = _Walk(is_reference, _without_properties(shown, sent), opened)
    walk.value("", once(shown) or once(sent), once(sent), ())
    if has_secure_texts(sent):
        walk.secrets.secure_texts("", once((*shown, *sent)))
    return Paths(sorted(set(walk.found.read_only)), sorted(set(walk.secrets.found)), sorted(set(walk.found.in_doubt)))


Stack = tuple[tuple[frozenset[str], frozenset[str]], ...]  # the models of the objects around
Found = list[tuple[Models, Property]]


class _Walk:
    def __init__(self, is_reference: IsReference, flat: Bodies, opened: frozenset[str]) -> None:
        self._flat = flat
        self._opened = opened
        self.found = Paths()
        self.secrets = SecretPaths()
        self._is_reference = is_reference

    def value(self, path: str, shown: Bodies, sent: Bodies, stack: Stack) -> None:
        """Walks through what a GET shows and a PUT sends at one place."""
        if has(sent, Kind.ANY):
            return
        if has(shown, Kind.OBJECT):
            self._object(path, models_in(shown), models_in(sent), stack)
        if has(shown, Kind.LIST) and (not sent or has(sent, Kind.LIST)):
            self.value(f"{path}[*]", elements(shown, Kind.LIST), elements(sent, Kind.LIST), stack)
        if has(shown, Kind.DICTIONARY) and (not sent or has(sent, Kind.DICTIONARY)):
            inner = f"{path}.*" if path else "*"
            self.value(inner, elements(shown, Kind.DICTIONARY), elements(sent, Kind.DICTIONARY), stack)

    def _object(self, path: str, shown: tuple[Named, ...], sent: tuple[Named, ...], stack: Stack) -> None:
        here = (_names(shown), _names(sent))
        if here in stack or len(stack) > _DEEPEST or (path and any(self._is_reference(m, x.name) for m, x in shown)):
            return
        place = _Place(path, shown, sent, (*stack, here))
        for name in names_in(shown, sent):
            self._property(place, name)

    def _property(self, place: _Place, name: str) -> None:
        shows, sends = list(properties(place.shown, name)), list(properties(place.sent, name))
        seen = [(models, item) for models, item in shows if item.readable]
        written = [(models, item) for models, item in sends if item.writable]
        at = below(place.path, _spelled(shows or sends))
        if at.lower() in _OF_AN_IDENTITY:
            self.found.read_only.append(at)
        elif written:
            if len(written) < len(sends):
                self.found.in_doubt.append(at)
            self._writable(place, at, seen, written)
        elif _is_marked(seen) or any(item.readable for _, item in sends):
            self._tell(place, at, name, seen or sends)
        elif seen and place.is_complete(place.sent):
            if at != "properties" and place.may_be_renamed(seen):
                self.found.in_doubt.append(at)
            else:
                self._tell(place, at, name, seen)

    def _writable(self, place: _Place, at: str, seen: Found, written: Found) -> None:
        if place.path and not seen and place.is_complete((*place.shown, *place.sent)):
            self.secrets.write_only(at, _values(written))
        inner = _values(written)
        self.value(at, _values(seen), (*inner, *self._flat) if at == "properties" else inner, place.stack)

    def _tell(self, place: _Place, at: str, name: str, seen: Found) -> None:
        if name in (_NEVER if place.path else _NEVER_AT_THE_TOP):
            return
        if at == "properties":
            self.value(at, _values(seen), self._flat, place.stack)
        elif at in self._opened:
            self.value(at, _values(seen), (), place.stack)
        else:
            self.found.read_only.append(at)


@dataclass(frozen=True)
class _Place:
    """One object in a body: the models that a GET shows there, and those that a PUT or PATCH sends."""

    path: str
    shown: tuple[Named, ...]
    sent: tuple[Named, ...]
    stack: Stack

    def is_complete(self, models: tuple[Named, ...]) -> bool:
        """Whether the models list all that they hold."""
        return not any(model.is_open for _, model in models)

    def may_be_renamed(self, seen: Found) -> bool:
        """Whether a request sends something of the same kind here that a GET does not show."""
        kinds = {item.value.kind for _, item in seen}
        hidden = set(names_in(self.sent)) - set(names_in(self.shown))
        of_the_kind = (
            item.writable and item.value.kind in kinds for n in hidden for _, item in properties(self.sent, n)
        )
        return any(of_the_kind)


def _without_properties(shown: Bodies, sent: Bodies) -> Bodies:
    """The bodies that send at the top what a GET shows under `properties`."""
    if not any(properties(models_in(shown), "properties")):
        return ()
    return tuple(
        body for body in sent if body[1].kind is Kind.OBJECT and not any(properties(models_in((body,)), "properties"))
    )


def _is_marked(seen: Found) -> bool:
    return bool(seen) and all(not item.writable for _, item in seen)


def _names(models: tuple[Named, ...]) -> frozenset[str]:
    return frozenset(f"{id(owner)} {model.name}" for owner, model in models)


def _spelled(found: Found) -> str:
    return min(item.name for _, item in found)


def _values(found: Found) -> Bodies:
    return once((models, item.value) for models, item in found)
