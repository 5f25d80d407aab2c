"""Where in a resource body an object stands: whether ARM's own names mean there what ARM says, or people chose them.

Rules:
- ARM's names count in the resource itself, in its `properties`, and in the elements of its lists, which are resources too.
- An object with a resource id is a resource, wherever it stands.
- Below a name under which people write documents of their own (`FREE_FORM`) no name means anything.
- The settings of a web application are named by people, although they stand in `properties`.

Source: github Azure/azure-resource-manager-rpc, common-api-contracts.md (the envelope of a resource).
"""

from __future__ import annotations

import re
from enum import Enum, auto

from driftguard.flow.reading import Json

# Objects whose property names are chosen by people.
USER_NAMED = frozenset(
    {"tags", "labels", "nodelabels", "annotations", "metadata", "appsettings", "environmentvariables"}
)
# Names below which people write documents of their own, whatever these hold: workflow definitions, templates, requests.
FREE_FORM = USER_NAMED | {
    *("definition", "template", "maintemplate", "policyrule", "typeproperties", "parameters", "defaultparametervalues"),
    *("inputs", "outputs", "headers", "body", "settings", "protectedsettings", "customproperties"),
}
# A path of an application can begin with these words too: what makes it an id is a GUID, a group or a namespace behind them.
_ID_STARTS = ("/subscriptions/", "/providers/")
_ID = re.compile(
    r"/subscriptions/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^/]+/(?:resourcegroups|providers|locations)/[^/]+)(?:/|\Z)"
    r"|/providers/[a-z0-9]+(?:\.[a-z0-9]+)+(?:/|\Z)"
)
_WEB_SETTINGS = frozenset({"appsettings", "connectionstrings", "metadata", "functionappsettings"})


class Place(Enum):
    """Where in a body an object stands: ARM's own names mean what ARM says in the first three places only."""

    RESOURCE = auto()  # the resource itself, or another one in it that has a resource id
    PROPERTIES = auto()  # the `properties` of a resource or of a list element
    ELEMENT = auto()  # a list element: resources that belong to this one are told in lists
    INSIDE = auto()  # anything else; its property names may be people's own
    PEOPLES = auto()  # below a name of FREE_FORM

    def below(self, name: str) -> Place:
        """The place of an object under the property `name` (lower case) of one that stands here."""
        if self is _PEOPLES or name in FREE_FORM:
            return _PEOPLES
        return _PROPERTIES if name == "properties" and self in (_RESOURCE, _ELEMENT) else _INSIDE

    def element(self) -> Place:
        """The place of an element of a list whose own place this is."""
        return _PEOPLES if self is _PEOPLES else _ELEMENT

    def holding(self, value: dict[str, Json]) -> Place:
        """The place, told by what stands there: an object with a resource id is a resource."""
        id_ = value.get("id") if self is _INSIDE else None
        return _RESOURCE if isinstance(id_, str) and is_resource_id(id_.lower(), "id") else self

    @property
    def is_arms(self) -> bool:
        """Whether ARM's own names mean here what ARM says."""
        return self is not _INSIDE and self is not _PEOPLES


# What the methods above look up for every object: a member of an Enum is slow to find by its name.
_RESOURCE, _PROPERTIES, _ELEMENT, _INSIDE, _PEOPLES = Place


def is_resource_id(lowered: str, name: str = "") -> bool:
    """Whether a text in lower case, under a property of this name in lower case, has the form of a resource id."""
    return lowered.startswith(_ID_STARTS) and (name.endswith(("id", "ids")) or _ID.match(lowered) is not None)


def people_name_properties(body: Json, type_: str = "") -> bool:
    """Whether `properties` holds a web application's settings, whose names people chose: by the type, else by the id."""
    if not isinstance(body, dict):
        return False
    type_, id_ = (type_ or str(body.get("type") or "")).lower(), str(body.get("id") or "").lower()
    if type_ and not (type_.startswith("microsoft.web/") and type_.endswith("/config")):
        return False
    if not type_ and not ("/providers/microsoft.web/" in id_ and id_.rsplit("/", 2)[-2] == "config"):
        return False
    return str(body.get("name") or id_).lower().rsplit("/", 1)[-1] in _WEB_SETTINGS
