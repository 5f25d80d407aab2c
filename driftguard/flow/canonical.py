"""The one form of a resource body in which equal things are equal, and its fingerprint.

Rules (CANONICAL_VERSION counts them: a change of any of them makes a new version):
- ETags that ARM wrote into the body are dropped: they say that something was written, not what. They are texts, and stand
  where ARM writes (`Place`), in list elements only beside an id or a name; what else is called `etag` is configuration.
- null, the empty list, the empty object and the empty text are the same as a missing property; false and 0 are values.
  In a list the place is kept, as null. An object under a resource id (`userAssignedIdentities`) counts even when empty.
- Texts and property names that are resource ids are in lower case; so are `type` and the resource's own `name`.
- Locations that stand where ARM writes are in one spelling (`West US` = `westus`); IPv6 addresses and prefixes are in their
  short form.
- Date-times of one instant are the same: UTC, no trailing zeros; one without a zone is UTC.
- Numbers are compared by value: 1 = 1.0, -0.0 = 0; integers of any size stay exact.
- Lists whose elements have an identity are in the order of it; other lists keep their order.
- Names that people choose (tags, labels, settings) and their texts stay as they are. An empty text is a value there, and in
  documents of people's own (parameters, definitions): it is not the default that a missing one means.
- Letter case means something everywhere else.

The form works on any JSON and is its own canonical form. Sources of the forms: recorded ARM traffic; github
Azure/azure-resource-manager-rpc, common-api-details.md (ids and types are case-insensitive).
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from driftguard.flow.identity import best_identities
from driftguard.flow.path import MAX_DEPTH, TooDeep
from driftguard.flow.place import USER_NAMED, Place, is_resource_id, people_name_properties
from driftguard.flow.reading import Json

CANONICAL_VERSION = 3
PREFIX = f"c{CANONICAL_VERSION}:"

_ETAGS = frozenset({"etag", "@odata.etag", "odata.etag", "_etag"})
_LOCATIONS = frozenset({"location", "locations", "locationname", "primarylocation", "secondarylocation"})
_TYPES = frozenset({"type", "resourcetype"})

_REGION = re.compile(r"[A-Za-z][A-Za-z0-9 ()]*")
_RESOURCE_TYPE = re.compile(r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)+(?:/[A-Za-z0-9]+)+")
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_IPV6 = re.compile(r"([0-9A-Fa-f:]+(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?)(?:/([0-9]{1,3}))?")
_SHORTEST_DATE_TIME = 19  # characters: to the second
_LONGEST_IPV6 = 49  # characters, with an IPv4 tail and a prefix length
_LARGEST_WRITTEN_INTEGER = 13_000  # bits; Python refuses to write integers of more than 4,300 decimal digits

_EMPTY: tuple[Json, ...] = (None, "", [], {})  # nothing else equals one of these: 0 and false are values
_CONTAINERS = (dict, list)

# Not ensure_ascii: it would write two lone surrogates and the character that they encode alike.
_as_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

Form = Callable[[str], str]
Forms = Mapping[str, Form]  # by property name in lower case

_INSIDE, _PEOPLES = Place.INSIDE, Place.PEOPLES  # looked up for every object


def canonical(body: Json, type_: str) -> Json:
    """The canonical form of a body of the resource type. The body is not changed. Raises TooDeep."""
    forms = _FORMS_OF_TYPE.get(type_.lower(), {})
    form: Json
    if isinstance(body, dict):
        form = _object(body, "", 0, forms, Place.RESOURCE, people_name_properties(body, type_))
        if isinstance(form.get("name"), str):
            form["name"] = form["name"].lower()
    else:
        form = _value(body, "", 0, forms, Place.RESOURCE)
    return {} if form in _EMPTY else form


def fingerprint(canonical_body: Json) -> str:
    """The digest of a canonical body: `c3:` and 64 hex digits of SHA-256 over its sorted JSON."""
    return PREFIX + hashlib.sha256(_as_json(canonical_body).encode("utf-8", "surrogatepass")).hexdigest()


def _value(value: Json, name: str, depth: int, forms: Forms, place: Place) -> Json:
    """The form of what stands under the property `name` (lower case; empty where the name says nothing)."""
    if isinstance(value, str):
        return _text(value, name, forms)
    if isinstance(value, dict):
        return _object(value, name, depth, forms, place)
    return _list(value, name, depth, forms, place) if isinstance(value, list) else _plain(value)


def _object(
    value: dict[str, Json], name: str, depth: int, forms: Forms, place: Place, settings: bool = False
) -> dict[str, Json]:
    if depth > MAX_DEPTH:
        raise TooDeep
    if name in USER_NAMED:
        return _chosen_by_people(value, depth, forms)
    if place is _INSIDE:
        place = place.holding(value)
    form: dict[str, Json] = {}
    ids: set[str] = set()
    for key, item in value.items():
        name, is_special, is_id = _property(key)
        if is_special:
            if name in _ETAGS and isinstance(item, str) and _is_arms_etag(value, place):
                continue
            if name in _LOCATIONS and not place.is_arms:
                name = ""
        inner: Json
        if isinstance(item, str):
            has_form = is_special or forms or "/" in item or ":" in item
            inner = _text(item, name, forms) if has_form else item
        elif not item and item in _EMPTY and not is_id:
            continue  # the empty text went to the case above
        elif isinstance(item, _CONTAINERS):
            if settings and name == "properties":
                name = "appsettings"
            inner = _value(item, name, depth + 1, forms, place.below(name))
        else:
            inner = _plain(item)
        if is_id:
            ids.add(key)
        if inner or inner not in _EMPTY or (is_id and isinstance(item, dict)) or (inner == "" and place is _PEOPLES):
            form[key] = inner
    return _with_folded_ids(form, ids) if ids else form


def _is_arms_etag(value: dict[str, Json], place: Place) -> bool:
    """Whether a text under an ETag's name in this object is an ETag: list elements that are resources have an identity."""
    if place is not Place.ELEMENT:
        return place.is_arms
    id_, name = value.get("id"), value.get("name")
    return (isinstance(id_, str) and id_ != "") or (isinstance(name, str) and name != "")


@lru_cache(maxsize=8192)
def _property(key: str) -> tuple[str, bool, bool]:
    """A property's name in lower case, whether it says how its text is written, and whether it is a resource id."""
    name = key.lower()
    return name, name in _ETAGS or name in _LOCATIONS or name in _TYPES, is_resource_id(name)


def _with_folded_ids(form: dict[str, Json], ids: set[str]) -> dict[str, Json]:
    folded = {key.lower() if key in ids else key: item for key, item in form.items()}
    return folded if len(folded) == len(form) else form  # names that differ in letter case only stay apart


def _chosen_by_people(value: dict[str, Json], depth: int, forms: Forms) -> dict[str, Json]:
    form = {}
    for key, item in value.items():
        inner = item if isinstance(item, str) else _value(item, "", depth + 1, forms, Place.PEOPLES)
        if inner == "" or inner not in _EMPTY:
            form[key] = inner
    return form


def _list(items: list[Json], name: str, depth: int, forms: Forms, place: Place) -> list[Json]:
    if depth > MAX_DEPTH:
        raise TooDeep
    form: list[Json] = []
    of_elements = place.element()
    for item in items:
        if isinstance(item, dict):
            form.append(_object(item, "", depth + 1, forms, of_elements) or None)
        else:
            inner = _value(item, name, depth + 1, forms, of_elements)
            form.append(None if inner == [] else inner)
    return in_order(form, name)


def in_order(items: list[Json], name: str) -> list[Json]:
    """The elements in the order of their identity, or as they are without one; `name` is the list's property."""
    if len(items) < 2 or not isinstance(items[0], dict):
        return items
    known = best_identities(name, items)
    if known is None or known == (ordered := sorted(known)):  # most lists are in order
        return items
    by_identity = dict(zip(known, items, strict=True))
    return [by_identity[one] for one in ordered]


def _plain(value: bool | int | float | None) -> Json:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, int) and value.bit_length() > _LARGEST_WRITTEN_INTEGER:
        return f"integer {value:#x}"
    return value


def _text(text: str, name: str, forms: Forms) -> str:
    if forms and name in forms:
        return forms[name](text)
    if name in _LOCATIONS:
        return text.replace(" ", "").lower() if _REGION.fullmatch(text) else text
    if text.startswith("/"):
        lowered = text.lower()
        return lowered if is_resource_id(lowered, name) else text
    if name in _TYPES and _is_resource_type(text):
        return text.lower()
    return _with_colons(text) if ":" in text else text


@lru_cache(maxsize=1024)
def _is_resource_type(text: str) -> bool:
    return _RESOURCE_TYPE.fullmatch(text) is not None


def _with_colons(text: str) -> str:
    """Date-times and IPv6 addresses: neither is written without a colon."""
    if text[10:11] == "T" and len(text) >= _SHORTEST_DATE_TIME:
        return _date_time(text)
    return _ipv6(text) if len(text) <= _LONGEST_IPV6 else text


def _date_time(text: str) -> str:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return text
    seconds, fraction, zone = match.groups()
    try:
        instant = datetime.fromisoformat(seconds + (zone or "Z")).astimezone(UTC)
    except (ValueError, OverflowError):  # such as 2018-02-30, or year 1 east of Greenwich: no instant
        return text
    fraction = (fraction or "").rstrip("0")
    return instant.replace(tzinfo=None).isoformat() + (f".{fraction}" if fraction else "") + "Z"


def _ipv6(text: str) -> str:
    match = _IPV6.fullmatch(text)
    if match is None or text.count(":") < 2:
        return text
    try:
        address = ipaddress.IPv6Address(match[1])
    except ipaddress.AddressValueError:
        return text
    # Python's own spelling of an IPv4-mapped address changed in 3.13: a fingerprint must not.
    short = f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else address.compressed
    if match[2] is None:
        return short
    return f"{short}/{int(match[2])}" if int(match[2]) <= 128 else text


def _without_last_slash(text: str) -> str:
    return text.rstrip("/")


# Forms of single types, by property name in lower case; each is documented as the same thing or as case-insensitive.
_FORMS_OF_TYPE: Mapping[str, Mapping[str, Form]] = {
    "microsoft.keyvault/vaults": {"vaulturi": _without_last_slash},
    "microsoft.network/trafficmanagerprofiles": {"protocol": str.upper},
}
