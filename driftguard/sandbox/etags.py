"""ETags: in which form a type shows one, and what the conditions of a write mean.

Rules:
- A literal table says where a type's ETag stands and how it is written; a type that is not in it has none.
- A type that does not honour conditions ignores `If-Match` and `If-None-Match` without a word, as many do.
- Conditions of the others follow the table "ETags for Resources" of the resource provider contract:
  PUT with If-Match on a missing resource 412, PATCH 404, DELETE 204; If-None-Match: * on an existing one 412.
- Values are compared without `W/` and quotes (Compute and Network accept an unquoted If-Match).

Forms: recorded traffic (weak GUID of Microsoft.Network, bare GUID of Azure DNS, counter of Compute, header of Web).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Form:
    """Where an ETag stands and how it is written; `{}` takes the value. `since`: the first api-version with it."""

    header: str = ""
    body: str = ""
    field: str = "etag"
    in_properties: bool = False
    value: Literal["guid", "counter", "hex"] = "guid"
    conditional: bool = True
    since: str = ""


NONE = Form(conditional=False)
WEAK = Form(header='W/"{}"', body='W/"{}"')
DNS = Form(header="{}", body="{}")
QUOTED = Form(header='"{}"', body='"{}"')
QUOTED_BODY_ONLY = Form(body='"{}"', conditional=False)
HEADER_ONLY = Form(header='"{}"')
SITE = Form(header='"{}"', value="hex", conditional=False)
COUNTER = Form(header='"{}"', body='"{}"', value="counter", since="2024-03-01")

# Keys in lower case; `name/*` holds for every type below that has no row of its own.
FORMS: dict[str, Form] = {
    "microsoft.network/*": WEAK,
    "microsoft.network/ipgroups": Form(header='"{}"', body="{}"),
    "microsoft.network/dnszones": DNS,
    "microsoft.network/dnszones/*": DNS,
    "microsoft.network/privatednszones": Form(header="{}", body='"{}"'),
    "microsoft.network/privatednszones/*": QUOTED,
    "microsoft.network/trafficmanagerprofiles": NONE,
    "microsoft.network/trafficmanagerprofiles/*": NONE,
    "microsoft.network/frontdoors": NONE,
    "microsoft.network/networksecurityperimeters": NONE,
    "microsoft.network/networksecurityperimeters/*": NONE,
    "microsoft.compute/virtualmachines": COUNTER,
    "microsoft.compute/virtualmachinescalesets": COUNTER,
    "microsoft.compute/virtualmachinescalesets/virtualmachines": COUNTER,
    "microsoft.containerservice/managedclusters": Form(body="{}", field="eTag"),
    "microsoft.containerservice/managedclusters/agentpools": Form(body="{}", field="eTag", in_properties=True),
    "microsoft.search/searchservices": Form(body='"{}"', field="eTag", in_properties=True, conditional=False),
    "microsoft.apimanagement/service": Form(body="{}", conditional=False),
    "microsoft.apimanagement/service/*": HEADER_ONLY,
    "microsoft.web/sites": SITE,
    "microsoft.web/sites/*": SITE,
    "microsoft.storage/storageaccounts/blobservices/containers": Form(
        header='"0x{}"', body='"0x{}"', value="hex", conditional=False
    ),
    "microsoft.insights/components": QUOTED_BODY_ONLY,
    "microsoft.insights/workbooks": QUOTED_BODY_ONLY,
    "microsoft.insights/datacollectionrules": QUOTED_BODY_ONLY,
    "microsoft.operationalinsights/workspaces": QUOTED_BODY_ONLY,
    "microsoft.recoveryservices/vaults": QUOTED_BODY_ONLY,
    "microsoft.cognitiveservices/accounts": QUOTED_BODY_ONLY,
    "microsoft.automation/automationaccounts": Form(body="{}", conditional=False),
    "microsoft.batch/batchaccounts/pools": Form(body='W/"{}"'),
    "microsoft.kusto/clusters": QUOTED,
    "microsoft.datafactory/factories": Form(body='"{}"', field="eTag"),
    "microsoft.datafactory/factories/*": Form(body="{}"),
}


def form_of(resource_type: str) -> Form:
    """The form of a type (any casing): its own row, else the nearest `…/*` above it, else none."""
    name = resource_type.lower()
    if name in FORMS:
        return FORMS[name]
    while "/" in name:
        name = name.rpartition("/")[0]
        if f"{name}/*" in FORMS:
            return FORMS[f"{name}/*"]
    return NONE


def next_value(form: Form, before: str | None) -> str:
    """A new ETag value: the next number of a counter, 15 hexadecimal digits, or a GUID."""
    if form.value == "counter":
        return str(int(before or "0") + 1)
    fresh = uuid.uuid4()
    return fresh.hex[:15].upper() if form.value == "hex" else str(fresh)


def header_of(form: Form, value: str, api_version: str) -> str | None:
    """The `ETag` header, or None."""
    return form.header.format(value) if form.header and _shown(form, api_version) else None


def put_in_body(form: Form, value: str, api_version: str, body: dict[str, Any]) -> None:
    """Write the ETag into a body where the form has it there."""
    if form.body and _shown(form, api_version):
        place = body.setdefault("properties", {}) if form.in_properties else body
        place[form.field] = form.body.format(value)


def _shown(form: Form, api_version: str) -> bool:
    return not form.since or not api_version or api_version >= form.since


def normal(text: str) -> str:
    """An ETag as it is compared: without `W/` and quotes."""
    return text.strip().removeprefix("W/").strip('"')


def failed_condition(form: Form, current: str | None, if_match: str, if_none_match: str) -> bool:
    """Whether a condition forbids a write. `current` is the ETag value, or None where the resource is missing."""
    if not form.conditional:
        return False
    if if_none_match.strip() == "*" and current is not None:
        return True
    if not if_match.strip():
        return False
    if current is None:
        return True
    wanted = [normal(part) for part in if_match.split(",")]
    return "*" not in wanted and current not in wanted
