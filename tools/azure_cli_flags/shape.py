"""The shape of a response as a generated command declares it.

Rules:
- A shape is a node of a graph, not of a tree: commands share the shapes of what repeats, and some contain themselves.
- Members are kept under their Python name, as the command sets them; `called` gives the name in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field

OBJECTS = frozenset({"AAZObjectType", "AAZIdentityObjectType"})
LISTS = frozenset({"AAZListType"})
DICTIONARIES = frozenset({"AAZDictType"})
OPEN = frozenset({"AAZAnyType", "AAZFreeFormDictType"})
VALUES = frozenset({"AAZStrType", "AAZBoolType", "AAZIntType", "AAZFloatType"})
TYPES = OBJECTS | LISTS | DICTIONARIES | OPEN | VALUES

ELEMENT = "Element"  # azure-cli's own name for what a list or dictionary holds


@dataclass(eq=False, slots=True)
class Shape:
    """One node: the azure-cli type, the read-only flag, the name in JSON where it differs, and what it holds."""

    kind: str
    read_only: bool = False
    serialized_name: str | None = None
    members: dict[str, Shape] = field(default_factory=dict)
    variants: dict[str, Shape] = field(default_factory=dict)  # by the value of the discriminator

    def called(self, name: str) -> str:
        """The JSON name of this shape as the member `name` of an object."""
        return self.serialized_name or name

    def variant(self, discriminator: str, value: str, known: Shape | None = None) -> Shape:
        """What the object holds besides where its discriminator has this value; made where it is new."""
        return self.variants.setdefault(f"{discriminator}={value}", known or Shape("AAZObjectType"))
