"""Where a store on Azure Storage is: its address, and how its account is reached.

Rules:
- An address is azure://ACCOUNT[/NAME]; NAME is the name of a table and of a container.
- With a connection string, the account that it names must be the one of the address, and so must be the hosts of its
  endpoints: the first label is the account, and table and blobs differ in the service's label only. So no store is opened
  in an account that nobody meant. Nothing of the string gets into a message.
- Plain http is for an emulator on this machine only.

Sources: learn.microsoft.com "Configure Azure Storage connection strings", "Storage account overview" (names),
"Naming tables", "Authorize access to blobs/tables using Microsoft Entra ID" (audiences).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from driftguard.errors import BadConfiguration
from driftguard.loopback import is_loopback

DEFAULT_NAME = "driftguard"

_ADDRESS = re.compile(r"azure://([a-z0-9]{3,24})(?:/([a-z][a-z0-9]{2,40}))?/?")
_EXAMPLE = "write azure://ACCOUNT or azure://ACCOUNT/NAME, such as azure://stshopguard/driftguard"
_ANY_SERVICE = "*"
_SETTING = "DRIFTGUARD_STORE_CONNECTION"


@dataclass(frozen=True, slots=True)
class _Cloud:
    suffix: str
    table_audience: str


_CLOUDS = {
    "public": _Cloud("core.windows.net", "https://storage.azure.com"),
    "usgov": _Cloud("core.usgovcloudapi.net", "https://storage.azure.us"),
    "china": _Cloud("core.chinacloudapi.cn", "https://storage.azure.cn"),
}


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the account: its address without a last slash, and the audience of a token for it."""

    endpoint: str
    audience: str


@dataclass(frozen=True, slots=True)
class Place:
    """A store's place. `key` or `sas` is how to be let in; both None: by a sign-in to Azure."""

    address: str
    account: str
    name: str
    table: Service
    blob: Service
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)

    @property
    def signed_in(self) -> bool:
        """Whether a sign-in to Azure is needed."""
        return self.key is None and self.sas is None

    @property
    def on_this_machine(self) -> bool:
        """Whether it is an emulator here, to which no proxy leads."""
        return _is_here(self.table.endpoint) and _is_here(self.blob.endpoint)


def place_of(address: str, *, cloud: str, connection: str | None) -> Place:
    """The place of an address such as azure://ACCOUNT/NAME. Raises BadConfiguration."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise BadConfiguration(
            "the address of the store is none of Azure Storage",
            f"{_EXAMPLE}; an account has 3 to 24 lower-case letters and digits, a name 3 to 41 and begins with a letter",
        )
    account, name = found.group(1), found.group(2) or DEFAULT_NAME
    if name == "tables":
        raise BadConfiguration("a store cannot be called `tables`: Azure keeps that name", "give it another name")
    if cloud not in _CLOUDS:
        raise BadConfiguration(f"unknown cloud {cloud!r}", f"use one of: {', '.join(_CLOUDS)}")
    told = _parts(connection) if connection is not None else {}
    if connection is not None:
        _require_account(told, account)
    at = _CLOUDS[cloud]
    table, blob = _endpoint(told, "table", account, at), _endpoint(told, "blob", account, at)
    _require_one_account(account, table, blob)
    return Place(
        address=f"azure://{account}/{name}",
        account=account,
        name=name,
        table=Service(table, at.table_audience),
        # The account's own audience, which every cloud knows; one token is good for both where it is the same.
        blob=Service(blob, at.table_audience if cloud == "public" else f"https://{account}.blob.{at.suffix}"),
        key=_key(told) if connection is not None else None,
        sas=_sas(told) if connection is not None and "accountkey" not in told else None,
    )


def account_named(connection: str) -> str | None:
    """The account that a connection string names, in small letters; None where it names none. Raises BadConfiguration."""
    name = _parts(connection).get("accountname")
    return name.lower() if name is not None else None


def _parts(connection: str) -> dict[str, str]:
    """The settings of a connection string by name in small letters."""
    parts = {}
    for part in filter(None, map(str.strip, connection.split(";"))):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise _wrong("is no connection string")
        parts[name.strip().lower()] = value.strip()
    return parts


def _require_account(told: dict[str, str], account: str) -> None:
    named = told.get("accountname")
    if named is None:
        raise _wrong("names no account", f"add AccountName={account} to it")
    if named.lower() != account:
        raise _wrong(f"is of another account than the store, which is in {account!r}")
    if not ("accountkey" in told or "sharedaccesssignature" in told):
        raise _wrong("has neither AccountKey nor SharedAccessSignature")


def _endpoint(told: dict[str, str], service: str, account: str, cloud: _Cloud) -> str:
    suffix = told.get("endpointsuffix", cloud.suffix)
    protocol = told.get("defaultendpointsprotocol", "https")
    endpoint = told.get(f"{service}endpoint", f"{protocol}://{account}.{service}.{suffix}").rstrip("/")
    try:
        parts = urlsplit(endpoint)
        good = bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        good = False
    if not good or not endpoint.isascii():
        raise _wrong(f"has no address for {service}s that can be used")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(endpoint)):
        raise _wrong("does not use https", "use https; plain http is for an emulator on this machine only")
    return endpoint


def _require_one_account(account: str, table: str, blob: str) -> None:
    """Endpoints of Azure are the account's own, both in the same place; those of an emulator are both on this machine."""
    if _is_here(table) and _is_here(blob):
        return
    labels = [(urlsplit(endpoint).hostname or "").split(".") for endpoint in (table, blob)]
    if any(_is_here(endpoint) for endpoint in (table, blob)) or any(host[0] != account for host in labels):
        raise _wrong(
            "has endpoints of another account than the store",
            f"use the endpoints of the account {account}, such as https://{account}.table.core.windows.net",
        )
    places = [
        [_ANY_SERVICE if label == service else label for label in host]
        for host, service in zip(labels, ("table", "blob"), strict=True)
    ]
    if places[0] != places[1]:
        raise _wrong("has endpoints for tables and for blobs that are not of one place")


def _is_here(endpoint: str) -> bool:
    return is_loopback(urlsplit(endpoint).hostname or "")


def _key(told: dict[str, str]) -> str | None:
    key = told.get("accountkey")
    if key is None:
        return None
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("has an AccountKey that is none") from None  # the cause could quote the key
    return key


def _sas(told: dict[str, str]) -> str:
    return told["sharedaccesssignature"].removeprefix("?")


def _wrong(what: str, remedy: str = "") -> BadConfiguration:
    return BadConfiguration(
        f"{_SETTING} {what}",
        remedy or f"copy the whole string from the account's access keys, or unset {_SETTING} to sign in with Azure",
    )
