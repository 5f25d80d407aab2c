"""What names a resource: kind, cloud, tenant, key (compared), type, and the id as shown.

Rules:
- A ref is parsed by the literal table `KINDS`; an unknown kind is an error, never a default.
- An ARM id is case-insensitive: the key is the id in lower case, the id keeps the casing as given.
- An ARM id that is not exactly a path of /subscriptions/…, /resourceGroups/… and /providers/… segments is refused:
  ids come from callers and are sent to ARM as a URL path (no query, fragment, escape or dot segment gets through).
- An id given as a URL of a known cloud's ARM endpoint must be of the cloud in use.

Source of the id's form: github Azure/azure-resource-manager-rpc v1.0/common-api-details.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from driftguard.errors import OtherScope, WrongUse

ARM_HOSTS = {
    "management.azure.com": "public",
    "management.usgovcloudapi.net": "usgov",
    "management.chinacloudapi.cn": "china",
}
CLOUDS = tuple(ARM_HOSTS.values())

# Blanks inside a name are real (`Failure Anomalies - shop`), at its ends they are not.
_CHARACTER = r"[^\s/?#%\\<>\x00-\x1f\x7f]"
_SEGMENT = re.compile(rf"{_CHARACTER}+( +{_CHARACTER}+)*\Z")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_NAMESPACE = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*\Z")
_MAX_ID = 2048
_EXAMPLE = "/subscriptions/{id}/resourceGroups/{group}/providers/{namespace}/{type}/{name}"


@dataclass(frozen=True, slots=True, order=True)
class ResourceRef:
    """One resource. `key` is what is compared; `id` is what is shown and asked for; `type` is `Namespace/type[/type]`."""

    kind: str
    cloud: str
    tenant: str
    key: str
    type: str
    id: str

    @property
    def name(self) -> str:
        """The last name in the id."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def subscription(self) -> str:
        """The subscription's id in lower case; empty for a tenant-level resource."""
        parts = self.key.split("/")
        return parts[2] if parts[1:2] == ["subscriptions"] else ""

    @property
    def resource_group(self) -> str:
        """The resource group's name in lower case; empty outside a group."""
        parts = self.key.split("/")
        in_group = self.subscription and parts[3:4] == ["resourcegroups"]
        return parts[4] if in_group else ""

    @property
    def namespace(self) -> str:
        """The provider namespace, such as `Microsoft.Network`."""
        return self.type.partition("/")[0]


def parse_ref(text: str, *, kind: str = "arm", cloud: str = "public", tenant: str = "") -> ResourceRef:
    """The ref that `text` names. Raises WrongUse for a malformed id, OtherScope for an id of another cloud."""
    if kind not in KINDS:
        raise WrongUse(f"unknown kind of resource {kind!r}", f"use one of: {', '.join(KINDS)}")
    return KINDS[kind](text, cloud, tenant)


def is_within(key: str, scope: str) -> bool:
    """Whether a resource, by its key, is that of the scope's key or lies below it."""
    return key == scope or key.startswith(scope + "/")


def _parse_arm(text: str, cloud: str, tenant: str) -> ResourceRef:
    path = _without_host(text, cloud)
    if path.endswith("/"):
        path = path[:-1]
    if not path.startswith("/") or len(path) > _MAX_ID:
        raise _malformed(text)
    segments = path[1:].split("/")
    if not all(_is_segment(segment) for segment in segments):
        raise _malformed(text)
    return ResourceRef("arm", cloud, tenant, path.lower(), _arm_type(segments, text), path)


def _is_segment(text: str) -> bool:
    """Whether the text may stand between two slashes; what does not print (such as a change of direction) may not."""
    return bool(_SEGMENT.match(text)) and text.isprintable() and set(text) != {"."}


def _without_host(text: str, cloud: str) -> str:
    if not text.lower().startswith("https://"):
        return text
    host, slash, rest = text[len("https://") :].partition("/")
    of_host = ARM_HOSTS.get(host.lower())
    if of_host is None:
        raise _malformed(text)
    if of_host != cloud:
        raise OtherScope(
            f"{_shown(text)} is of the cloud {of_host!r}, the settings say {cloud!r}",
            "set DRIFTGUARD_CLOUD to the cloud of the resource, and use a job of its own for it",
        )
    return slash + rest


def _arm_type(segments: list[str], text: str) -> str:
    """The resource type, after checking that every segment stands where the grammar wants it."""
    rest = list(segments)
    kind_of_scope = "Microsoft.Resources/tenants"
    if rest and rest[0].lower() == "subscriptions":
        if len(rest) < 2 or not _GUID.match(rest[1]):
            raise _malformed(text)
        rest, kind_of_scope = rest[2:], "Microsoft.Resources/subscriptions"
        if rest and rest[0].lower() == "resourcegroups":
            if len(rest) < 2:
                raise _malformed(text)
            rest, kind_of_scope = rest[2:], "Microsoft.Resources/resourceGroups"
    elif not rest or rest[0].lower() != "providers":
        raise _malformed(text)
    while rest:
        if rest[0].lower() != "providers" or len(rest) < 2 or not _NAMESPACE.match(rest[1]):
            raise _malformed(text)
        end = next((i for i in range(2, len(rest), 2) if rest[i].lower() == "providers"), len(rest))
        pairs = rest[2:end]
        if len(pairs) < 2 or len(pairs) % 2:
            raise _malformed(text)
        kind_of_scope = "/".join([rest[1], *pairs[0::2]])
        rest = rest[end:]
    return kind_of_scope


def _malformed(text: str) -> WrongUse:
    return WrongUse(f"{_shown(text)} is not a resource id", f"write it as {_EXAMPLE}")


def _shown(text: str) -> str:
    """The text as it may be printed: short, and without control characters."""
    return repr(text if len(text) <= 160 else text[:160] + "…")


def with_parents(refs: Iterable[ResourceRef]) -> list[ResourceRef]:
    """The refs, and what stands above each up to its resource group: parents' writes and deletions reach what lies below."""
    found: dict[str, ResourceRef] = {}
    for ref in refs:
        found[ref.key] = ref
        segments = ref.id.split("/")[1:]
        while len(segments) > 4:
            segments = segments[:-2]
            if len(segments) >= 2 and segments[-2].lower() == "providers":
                segments = segments[:-2]
            if segments and "/" + "/".join(segments).lower() not in found:
                above = parse_ref("/" + "/".join(segments), kind=ref.kind, cloud=ref.cloud, tenant=ref.tenant)
                found[above.key] = above
    return list(found.values())


KINDS: dict[str, Callable[[str, str, str], ResourceRef]] = {"arm": _parse_arm}
