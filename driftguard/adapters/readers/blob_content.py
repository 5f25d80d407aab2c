"""What is compared of a blob: a body made of the headers of an answer and of the content.

Rules:
- The headers that are part of the body stand in `PROPERTIES`, why others are not in `LEFT_OUT`; what stands in neither is
  not part of it.
- Content that is a JSON object or list of at most `MOST_JSON` bytes is compared path by path, under `body`: there names mean
  nothing to Azure, and what is a secret becomes a mark as in every other body.
- Two JSON texts that differ in what the canonical form passes over (null and missing, the order of named elements, the
  spelling of ids and dates, digits beyond a number's precision, a byte order mark) differ here as well: by a digest of
  exactly that (`blob_form.py`). White space, the order of members and the spelling of numbers make no difference.
- Other content is a digest of its bytes. A digest of a short or well-known text would tell the text: it stands in a named
  value of the type SecureString, which is never stored but as a mark, by the guard's own key.
- Content that was not read whole stands for itself by its ETag: every write of it is then a change.

Source: learn.microsoft.com/rest/api/storageservices/get-blob (the headers).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from driftguard.adapters.readers.blob_form import rounded, unsaid
from driftguard.flow.path import TooDeep
from driftguard.flow.reading import Json
from driftguard.flow.strict_json import NotJson, parse_object

MOST_JSON = 1024 * 1024
MOST_DIGESTED = 64 * 1024 * 1024

PROPERTIES: Mapping[str, str] = {
    "x-ms-blob-type": "blobType",
    "content-type": "contentType",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "content-disposition": "contentDisposition",
    "cache-control": "cacheControl",
    "x-ms-access-tier": "accessTier",
    "x-ms-blob-sealed": "isSealed",
    "x-ms-expiry-time": "expiresOn",
    "x-ms-encryption-scope": "encryptionScope",
    "x-ms-encryption-key-sha256": "customerProvidedKeySha256",
    "x-ms-immutability-policy-until-date": "immutableUntil",
    "x-ms-immutability-policy-mode": "immutabilityMode",
    "x-ms-legal-hold": "legalHold",
    "x-ms-owner": "owner",
    "x-ms-group": "group",
    "x-ms-permissions": "permissions",
    "x-ms-acl": "acl",
}
LEFT_OUT: Mapping[str, str] = {
    "etag": "moves with every write: kept beside the body, so that a write that changed nothing is told as touched",
    "last-modified": "moves with every write",
    "x-ms-creation-time": "says when it was made, not what it is",
    "x-ms-last-access-time": "moves when it is read",
    "x-ms-lease-status": "a lease is somebody at work, no change; it moves no ETag",
    "x-ms-lease-state": "as the status",
    "x-ms-lease-duration": "as the status",
    "x-ms-copy-id": "how the content came about: the content itself is compared",
    "x-ms-copy-status": "as the copy's id",
    "x-ms-copy-source": "as the copy's id; may hold a signature",
    "x-ms-server-encrypted": "always true, written by the service",
    "x-ms-access-tier-inferred": "the tier is the account's default then, and no property of the blob: the tier is left out too",
    "x-ms-access-tier-change-time": "follows from the tier",
    "x-ms-version-id": "a new one for every write",
    "x-ms-is-current-version": "always true for what is read",
    "x-ms-tag-count": "follows from the tags",
    "content-md5": "follows from the content",
    "x-ms-blob-content-md5": "follows from the content, or is what a client claimed",
    "content-length": "follows from the content; told with its digest",
    "x-ms-blob-sequence-number": "a counter for writers of page blobs",
    "x-ms-blob-committed-block-count": "follows from the content of append blobs",
}
_META = "x-ms-meta-"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DEEPEST = 60  # levels of a JSON text; deeper ones are a digest


@dataclass(frozen=True, slots=True)
class Got:
    """A blob as it was answered. `headers` by name as sent; `size` in bytes.

    `content` is set where it is small enough to be compared by path, `digest` (SHA-256, hex) where all of it was read; else
    `unread` says why not. `tags` is None where they may not be read.
    """

    headers: Mapping[str, str]
    size: int
    content: bytes | None = None
    digest: str = ""
    unread: str = ""
    tags: Mapping[str, str] | None = None

    def header(self, name: str) -> str:
        """The header of this name in lower case; empty where there is none."""
        return next((value for key, value in self.headers.items() if key.lower() == name), "")


def body_of(id_: str, got: Got) -> dict[str, Json]:
    """The body that is compared, with secrets still in it."""
    properties: dict[str, Json] = {name: value for header, name in PROPERTIES.items() if (value := got.header(header))}
    if got.header("x-ms-access-tier-inferred").lower() == "true":
        properties.pop("accessTier", None)
    body: dict[str, Json] = {"id": id_, "properties": properties}
    if metadata := {k[len(_META) :]: v for k, v in got.headers.items() if k.lower().startswith(_META)}:
        body["metadata"] = metadata
    if got.tags:
        body["tags"] = dict(got.tags)
    elif got.tags is None:
        properties["tagCount"] = got.header("x-ms-tag-count")
    return {**body, **_content_of(got)}


def _content_of(got: Got) -> dict[str, Json]:
    if got.unread:
        etag = got.header("etag").removeprefix("W/").strip('"')
        return {"contentDigest": _digest(f"etag of a content that was not read: {got.unread}", got.size, etag)}
    content = _json_in(got.content) if got.content is not None else None
    if content is None:
        return {"contentDigest": _digest("content", got.size, got.digest)}
    told: dict[str, Json] = {"body": content[0]}
    if content[1]:
        told["contentDigest"] = _digest("how the JSON is written", None, hashlib.sha256(_text(content[1])).hexdigest())
    return told


def _digest(of: str, size: int | None, value: str) -> dict[str, Json]:
    told: dict[str, Json] = {"of": of, "type": "SecureString", "value": value}
    return told if size is None else {**told, "length": size}


def _json_in(data: bytes) -> tuple[Json, list[Any]] | None:
    """The JSON object or list that the bytes are, and what its canonical form leaves unsaid; None for anything else."""
    text = data.removeprefix(_BYTE_ORDER_MARK).strip()
    if text[:1] not in (b"{", b"["):
        return None
    try:
        wrapped = b'{"content":' + text + b"}"
        told = parse_object(wrapped)
        if told.keys() != {"content"} or _depth(told["content"]) > _DEEPEST:
            return None
        left = [*unsaid(told["content"]), *rounded(told, parse_object(wrapped, exact=True))]
        return told["content"], [*left, *([["byte order mark"]] if data.startswith(_BYTE_ORDER_MARK) else [])]
    except (NotJson, TooDeep, RecursionError):
        return None


def _depth(value: Json) -> int:
    """How many levels of objects and lists; counted without recursion, for a text that may be hostile."""
    deepest, level = 0, [value]
    while level and deepest <= _DEEPEST:
        below = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, dict | list)
        ]
        deepest, level = deepest + 1, below
    return deepest


def _text(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
