"""What names a resource: kind, cloud, tenant, key (compared), type, and the id as shown.

Rules:
- A ref is parsed by the literal table `KINDS`; an unknown kind is an error, never a default. Which kind a text names is
  told by the text alone (`kind_of`): the address of a blob, or else an ARM id.
- What holds a resource, so that it goes when that goes, stands in the same table: its resource group, its container.
- An ARM id is case-insensitive: the key is the id in lower case, the id keeps the casing as given.
- An ARM id that is not exactly a path of /subscriptions/…, /resourceGroups/… and /providers/… segments is refused:
  ids come from callers and are sent to ARM as a URL path (no query, fragment, escape or dot segment gets through).
- An id given as a URL of a known cloud must be of the cloud in use.
- A blob's id is its address in the one form of `blob_url.py`, which is its key as well: letter case means something there.
- A text that is refused is shown only up to where a signature, a password or a connection string may begin.

Source of the id's form: github Azure/azure-resource-manager-rpc v1.0/common-api-details.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.blob_url import BLOB_HOSTS, is_blob_url, parse_blob_url

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
_SCHEME = "https://"
_MAX_ID = 2048
# A signature (also encoded), a user's password, a part of a connection string. Nothing of it stands in the id of a resource.
_SECRET_MAY_BEGIN = re.compile(r"[?#;&%=,]|(?<=://)[^/]*@")
_EXAMPLE = "/subscriptions/{id}/resourceGroups/{group}/providers/{namespace}/{type}/{name}"


@dataclass(frozen=True, slots=True, order=True)
class ResourceRef:
    """One resource. `key` is what is compared; `id` is what is shown and asked for; `type` is `Namespace/type[/type]`.

    Subscription and resource group are those in an ARM id; an address of another kind names none.
    """

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


def kind_of(text: str) -> str:
    """The kind of resource that a text names: the first of `KINDS` that knows it as its own."""
    return next(name for name, kind in KINDS.items() if kind.is_named_by(text))


def parse_ref(text: str, *, kind: str | None = None, cloud: str = "public", tenant: str = "") -> ResourceRef:
    """The ref that `text` names, of the kind that the text itself tells where none is given.

    Raises WrongUse for a malformed id, OtherScope for an id of another cloud.
    """
    kind = kind_of(text) if kind is None else kind
    if kind not in KINDS:
        raise WrongUse(f"unknown kind of resource {kind!r}", f"use one of: {', '.join(KINDS)}")
    return KINDS[kind].parse(text, cloud, tenant)


def clouds_of(text: str) -> tuple[str, ...]:
    """The clouds that an id can be of: the one that its host says, or all where it names none."""
    host = text[len(_SCHEME) :].partition("/")[0].lower() if text.lower().startswith(_SCHEME) else ""
    of_host = ARM_HOSTS.get(host) or BLOB_HOSTS.get(host.partition(".")[2])
    return (of_host,) if of_host else CLOUDS


def key_of(id_: str, kind: str) -> str:
    """The key of an id that was a ref's already."""
    return KINDS[kind].key_of(id_)


def holder_of(ref: ResourceRef) -> ResourceRef | None:
    """What holds the resource, and takes it along when it goes: its resource group or container; None where nothing does."""
    above = KINDS[ref.kind].holder(ref)
    return parse_ref(above, kind=ref.kind, cloud=ref.cloud, tenant=ref.tenant) if above else None


def holder_name(ref: ResourceRef) -> str:
    """What its holder is called: `resource group`, `container`."""
    return KINDS[ref.kind].holder_name


def scope_key(ref: ResourceRef) -> str:
    """The key of the smallest scope that a resource is looked for in: its holder, else its subscription, else the tenant."""
    holder = KINDS[ref.kind].holder(ref)
    if holder:
        return key_of(holder, ref.kind)
    return "/".join(ref.key.split("/")[:3]) if ref.subscription else "/"


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
    if not text.lower().startswith(_SCHEME):
        return text
    host, slash, rest = text[len(_SCHEME) :].partition("/")
    of_host = ARM_HOSTS.get(host.lower())
    if of_host is None:
        raise _malformed(text)
    _require_cloud(text, of_host, cloud)
    return slash + rest


def _require_cloud(text: str, of_host: str, cloud: str) -> None:
    if of_host != cloud:
        raise OtherScope(
            f"{shown(text)} is of the cloud {of_host!r}, the settings say {cloud!r}",
            "set DRIFTGUARD_CLOUD to the cloud of the resource, and use a job of its own for it",
        )


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
    return WrongUse(f"{shown(text)} is not a resource id", f"write it as {_EXAMPLE}")


def shown(text: str) -> str:
    """The text as it may be printed: short, without control characters, and of an address only what is no secret."""
    begins = _SECRET_MAY_BEGIN.search(text)
    end = min(160, begins.start() if begins else len(text))
    return repr(text if end == len(text) else text[:end] + "…")


def with_parents(refs: Iterable[ResourceRef]) -> list[ResourceRef]:
    """The refs, and what stands above each up to its resource group: parents' writes and deletions reach what lies below.

    What stands above a blob is told by no source, and is left out.
    """
    found: dict[str, ResourceRef] = {}
    for ref in refs:
        found[ref.key] = ref
        for above in KINDS[ref.kind].parents(ref):
            if above.lower() not in found:
                parent = parse_ref(above, kind=ref.kind, cloud=ref.cloud, tenant=ref.tenant)
                found[parent.key] = parent
    return list(found.values())


def _arm_parents(ref: ResourceRef) -> Iterator[str]:
    segments = ref.id.split("/")[1:]
    while len(segments) > 4:
        segments = segments[:-2]
        if len(segments) >= 2 and segments[-2].lower() == "providers":
            segments = segments[:-2]
        if segments:
            yield "/" + "/".join(segments)


def _arm_holder(ref: ResourceRef) -> str:
    return "/".join(ref.id.split("/")[:5]) if ref.resource_group else ""


BLOB_TYPE = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
CONTAINER_TYPE = "Microsoft.Storage/storageAccounts/blobServices/containers"


def _parse_blob(text: str, cloud: str, tenant: str) -> ResourceRef:
    named = parse_blob_url(text)
    _require_cloud(named.url, named.cloud, cloud)
    return ResourceRef("blob", cloud, tenant, named.url, BLOB_TYPE if named.blob else CONTAINER_TYPE, named.url)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is particular to one kind of resource. `holder` and `parents` are ids; an empty holder is none."""

    is_named_by: Callable[[str], bool]
    parse: Callable[[str, str, str], ResourceRef]
    key_of: Callable[[str], str]
    holder: Callable[[ResourceRef], str]
    holder_name: str
    parents: Callable[[ResourceRef], Iterable[str]]


# The first whose `is_named_by` holds is the kind of a text: the last one takes the rest, and says what is wrong with it.
KINDS: dict[str, Kind] = {
    "blob": Kind(
        is_named_by=is_blob_url,
        parse=_parse_blob,
        key_of=str,
        holder=lambda ref: parse_blob_url(ref.id).container_url,
        holder_name="container",
        parents=lambda ref: (),
    ),
    "arm": Kind(
        is_named_by=lambda text: True,
        parse=_parse_arm,
        key_of=str.lower,
        holder=_arm_holder,
        holder_name="resource group",
        parents=_arm_parents,
    ),
}
