"""The address of a blob or of its container: `https://ACCOUNT.blob.SUFFIX/CONTAINER[/BLOB]`.

Rules:
- The suffix is one of a literal table, one a cloud; account and container keep to Azure's rules for their names, and are in
  lower case; letter case means something in a blob's name only.
- One form for each name: UTF-8, what stands in `_PLAIN` as itself, everything else percent-encoded with capital digits. A
  text may encode more or less of it than that; what it names is the same.
- No query, fragment, user or port, no `.` or `..` between slashes, no slash at the end of a name, no character that does not
  print. A text that may hold a shared access signature is refused without a part of it.

Sources: learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata;
learn.microsoft.com/azure/storage/common/storage-account-overview (account names);
learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure and
learn.microsoft.com/azure/china/resources-developer-guide (the suffixes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes

from driftguard.errors import WrongUse

BLOB_HOSTS = {
    "blob.core.windows.net": "public",
    "blob.core.usgovcloudapi.net": "usgov",
    "blob.core.chinacloudapi.cn": "china",
}
EXAMPLE = "https://{account}.blob.core.windows.net/{container}/{blob}"

_SCHEME = "https://"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}\Z")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*\Z|\$(root|web|logs)\Z")
_LONGEST_NAME = 1024  # characters, decoded
_LONGEST_TEXT = 16_384  # a name of 1,024 characters with all of it encoded, and what stands before it
_PLAIN = "/-._~!$&'()*+,;=:@"
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SIGNATURE = re.compile(r"(?<![a-z0-9])sig\s*=", re.IGNORECASE)
_MOST_ENCODED = 8  # times over; what is still encoded then is no name that anybody gave


@dataclass(frozen=True, slots=True)
class BlobUrl:
    """An address in its parts. `blob` is the name decoded; empty for the container itself."""

    cloud: str
    host: str
    account: str
    container: str
    blob: str

    @property
    def container_url(self) -> str:
        """The container's address."""
        return f"{_SCHEME}{self.host}/{self.container}"

    @property
    def url(self) -> str:
        """The address in its one form."""
        return f"{self.container_url}/{quote(self.blob, safe=_PLAIN)}" if self.blob else self.container_url


def is_blob_url(text: str) -> bool:
    """Whether the text is meant as the address of a blob or container: https, and the host of an account's blobs."""
    if not text.lower().startswith(_SCHEME):
        return False
    host = re.split(r"[/?#\\]", text[len(_SCHEME) :], maxsplit=1)[0].lower()
    return any(f".{suffix}" in f".{host}" for suffix in BLOB_HOSTS)


def parse_blob_url(text: str) -> BlobUrl:
    """The parts of an address. Raises WrongUse, without a part of the text that may be a secret."""
    if len(text) > _LONGEST_TEXT or not text.lower().startswith(_SCHEME):
        raise _malformed("it is no address of a blob")
    if "?" in text or "#" in text:
        raise WrongUse(
            "the address of a blob has a query or a fragment",
            f"name the blob alone, without what follows the ? or #: {EXAMPLE}; a signature is never needed here",
        )
    host, _, path = text[len(_SCHEME) :].partition("/")
    account, _, suffix = host.lower().partition(".")
    if suffix not in BLOB_HOSTS or not _ACCOUNT.match(account):
        raise _malformed("its host is not that of a storage account's blobs")
    container, _, name = path.partition("/")
    container = container.lower().replace("%24", "$")
    if not _CONTAINER.match(container):
        raise _malformed("it names no container as Azure allows them")
    return BlobUrl(BLOB_HOSTS[suffix], host.lower(), account, container, _decoded(name) if name else "")


def url_of(container: BlobUrl, name: str) -> str:
    """The address of a blob of this name, as a list shows it. Raises WrongUse for a name that cannot be guarded."""
    return parse_blob_url(f"{container.container_url}/{quote(name, safe=_PLAIN)}").url


def _decoded(name: str) -> str:
    if _ESCAPES.search(name):
        raise _malformed("a % in it is not followed by two hexadecimal digits")
    try:
        decoded = unquote_to_bytes(name).decode("utf-8")
    except UnicodeError:
        raise _malformed("its name is not UTF-8") from None
    if _may_hold_a_signature(decoded):
        raise _malformed("it may hold a shared access signature")
    if not decoded.isprintable() or "\\" in decoded:
        raise _malformed("its name has a character that cannot be shown, or a backslash")
    if len(decoded) > _LONGEST_NAME:
        raise _malformed(f"its name is longer than {_LONGEST_NAME} characters")
    if decoded.endswith("/") or {".", ".."} & set(decoded.split("/")):
        raise _malformed("its name ends with a slash, or has . or .. between slashes")
    return decoded


def _may_hold_a_signature(text: str) -> bool:
    """Whether a shared access signature may be in it, however often it is encoded."""
    for _ in range(_MOST_ENCODED):
        if _SIGNATURE.search(text):
            return True
        once_less = unquote(text)
        if once_less == text:
            return False
        text = once_less
    return True


def _malformed(why: str) -> WrongUse:
    return WrongUse(f"what is named is not a blob or container: {why}", f"write it as {EXAMPLE}")
