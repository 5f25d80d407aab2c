"""What a package says, in one form for every style of package.

Rules:
- A model is known by its name within a `Models`, the models of one api-version folder of one package.
- A property is readable where a GET may show it, and writable where a PUT or PATCH may carry it.
- A value that is not understood is ANY: whatever stands below it counts as writable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    """What a property holds."""

    TEXT = auto()  # a free text; bytes count as text
    PLAIN = auto()  # a number, truth value, date, or a text of a fixed set
    OBJECT = auto()  # one of the models that the value names
    LIST = auto()
    DICTIONARY = auto()
    ANY = auto()


@dataclass(frozen=True, slots=True)
class Value:
    """The type of a property or body. `models`: of an OBJECT. `of`: of the elements of a LIST or DICTIONARY."""

    kind: Kind
    models: tuple[str, ...] = ()
    of: Value | None = None


ANY, TEXT, PLAIN = Value(Kind.ANY), Value(Kind.TEXT), Value(Kind.PLAIN)


def object_of(*models: str) -> Value:
    """An object of one of these models."""
    return Value(Kind.OBJECT, models)


def list_of(value: Value) -> Value:
    return Value(Kind.LIST, of=value)


def dictionary_of(value: Value) -> Value:
    return Value(Kind.DICTIONARY, of=value)


@dataclass(frozen=True, slots=True)
class Property:
    """One property as it stands in JSON."""

    name: str
    value: Value
    readable: bool = True
    writable: bool = True


@dataclass(slots=True)
class Model:
    """An object's form: its properties by name in lower case, inherited ones included.

    `subtypes`: models that may stand in its place. `is_open`: it may hold properties that are not listed.
    """

    name: str
    properties: dict[str, Property] = field(default_factory=dict)
    subtypes: tuple[str, ...] = ()
    is_open: bool = False


@dataclass(slots=True, eq=False)
class Models:
    """The models of one folder of a package, told apart by identity; `origin` names the folder for people."""

    origin: str
    models: dict[str, Model] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that a package can make. `url`: with `{parameters}`; `enums`: the values of a parameter, where fixed."""

    verb: str
    url: str
    api_version: str
    body: Value | None
    result: Value | None
    enums: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(slots=True)
class Folder:
    """The models and operations of one folder of a package."""

    models: Models
    operations: list[Operation] = field(default_factory=list)


@dataclass(slots=True)
class Package:
    """Everything that is read of one package. `style`: of its models."""

    name: str
    version: str
    style: str
    folders: list[Folder] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Such as `azure-mgmt-msi 7.1.0`."""
        return f"{self.name} {self.version}"
