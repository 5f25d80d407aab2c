"""Which resource type a URL of Azure Resource Manager stands for.

Rules:
- The type is what stands after the last `/providers/`: namespace, then type and name in turn.
- A URL that ends with a type is that of a collection; one that ends with a name is that of a resource.
- A name that the URL spells out (`config/web`) is told: resources of that name may have a shape of their own. `default` is
  no such name: where it stands, there is only one.
- A type that is a parameter (`dnsZones/{}/{recordType}/{}`) stands for every type there that has no URL of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

ANY_TYPE = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names: the resource type in the URL's casing, a spelled-out name or empty, and whether it is a collection."""

    type: str
    name: str
    collection: bool


def place_of(url: str) -> Place | None:
    """The place of a URL with `{name}` parameters, or None where no provider is named."""
    path = url.partition("?")[0].rstrip("/")
    cut = path.lower().rfind("/providers/")
    if cut < 0:
        return None
    namespace, *rest = path[cut + len("/providers/") :].split("/")
    if not rest or namespace.startswith("{"):
        return None
    types = [ANY_TYPE if part.startswith("{") else part for part in rest[::2]]
    collection = len(rest) % 2 == 1
    last = rest[-1]
    spelled = "" if collection or last.startswith("{") or last.lower() == "default" else last
    return Place("/".join([namespace, *types]), spelled, collection)
