"""Canaries: secrets in many places of many resources, and not one of them in anything that is stored or told."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from driftguard.sandbox import SUBSCRIPTION, Sandbox, default_estate
from tests.entry.cli_shop import Shop, cli_shop

CANARY = "c4n4ry"
APP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-app/providers"
DATA = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-data/providers"
SITE = f"{APP}/Microsoft.Web/sites/app-shop-web"
CHANGED = "changed"


def canary(name: str, state: str) -> str:
    """A secret that can be told from every other one."""
    return f"{CANARY}-{name}-{state}"


def planted(state: str) -> dict[str, dict[str, Any]]:
    """Resource id -> body, with a secret in every form that people put one: by name, by shape, in texts and lists."""

    def secret(name: str) -> str:
        return canary(name, state)

    key = f"{secret('account-key').replace('-', '')}{'A' * 86}"[:86] + "=="
    return {
        f"{SITE}/config/appsettings": {
            "properties": {
                "PLAIN_SETTING": secret("setting"),
                "DB_PASSWORD": secret("setting-password"),
                "STORAGE": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={key}",
            }
        },
        f"{SITE}/config/connectionstrings": {
            "properties": {"Main": {"value": f"Server=x;Password={secret('connection')};", "type": "SQLAzure"}}
        },
        f"{APP}/Microsoft.Web/sites/app-shop-api": {
            "location": "westeurope",
            "properties": {
                "siteConfig": {
                    "appSettings": [{"name": "API", "value": secret("list-setting")}],
                    "connectionStrings": [
                        {"name": "Db", "connectionString": f"Server=x;Pwd={secret('list-connection')}"}
                    ],
                }
            },
        },
        f"{APP}/Microsoft.Compute/virtualMachines/vm-canary": {
            "location": "westeurope",
            "tags": {"note": f"https://a.blob.core.windows.net/c?sv=1&sig={secret('sas')}"},
            "properties": {
                "osProfile": {
                    "computerName": "vm",
                    "adminUsername": "shop",
                    "adminPassword": secret("admin-password"),
                    "customData": secret("custom-data"),
                    "secrets": [
                        {"sourceVault": {"id": "x"}, "vaultCertificates": [{"password": secret("certificate")}]}
                    ],
                }
            },
        },
        f"{APP}/Microsoft.Compute/virtualMachines/vm-canary/extensions/script": {
            "location": "westeurope",
            "properties": {
                "settings": {"commandToExecute": f"run --token {secret('command')}"},
                "protectedSettings": {"anything": secret("protected")},
            },
        },
        f"{DATA}/Microsoft.KeyVault/vaults/kv-shop-prod/secrets/one": {
            "properties": {
                "value": "x",
                "secretValue": secret("vault"),
                "contentType": f"Bearer {secret('bearer')}aaaaaaaaaa",
            }
        },
        f"{DATA}/Microsoft.Sql/servers/sql-canary": {
            "location": "westeurope",
            "properties": {"administratorLogin": "a", "administratorLoginPassword": secret("sql")},
        },
        f"{DATA}/Microsoft.Storage/storageAccounts/stcanary": {
            "location": "westeurope",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {"primaryKey": secret("primary"), "note": f"postgres://u:{secret('url')}@host/db"},
        },
        f"{APP}/Microsoft.Web/connections/office": {
            "location": "westeurope",
            "properties": {"parameterValues": {"token": secret("api-token"), "sharedKey": secret("shared")}},
        },
        f"{APP}/Microsoft.ApiManagement/service/api/namedValues/pw": {
            "properties": {"displayName": "pw", "secret": True, "value": secret("named-value")}
        },
        f"{APP}/microsoft.insights/actionGroups/ag-shop": {
            "location": "Global",
            "properties": {
                "groupShortName": "shop",
                "enabled": True,
                "webhookReceivers": [{"name": "hook", "serviceUri": f"https://x/hook?code={secret('hook')}"}],
            },
        },
    }


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop in whose estate every resource of `planted` stands."""
    kept: Mapping[str, Any] = dict(default_estate()) | {
        f"{APP}/Microsoft.ApiManagement/service/api": {"location": "westeurope", "properties": {}}
    }
    with cli_shop(tmp_path, capsys, Sandbox([*kept.items(), *planted("before").items()])) as made:
        yield made


def test_no_secret_is_in_anything_that_is_stored_or_told(shop: Shop) -> None:
    for resource_id, body in planted("before").items():
        assert CANARY in str(shop.sandbox.get(resource_id)), f"{resource_id} gives no secret: it proves nothing"
        assert CANARY in str(body)
    tell_the_whole_story(shop)
    assert leaks(shop) == []


def test_the_test_would_notice(shop: Shop) -> None:
    """The harness finds a canary in a blob, a row, a note and in the output: it is no empty proof."""
    ids = [part for resource_id in planted("x") for part in ("--resource", resource_id)]
    assert shop("record", "--job", "shop", *ids).code == 0
    text = canary("seen", "here")
    with closing(sqlite3.connect(shop.store)) as hand, hand:
        hand.execute("INSERT INTO blobs VALUES ('a', ?)", (zlib.compress(text.encode(), wbits=31),))
        hand.execute("INSERT INTO rows VALUES ('a', 'a', 'a', '1', ?)", (text,))
    (shop.folder / "tickets").mkdir()
    (shop.folder / "tickets" / "note.md").write_text(text)
    shop.told.append(text)
    assert len(set(leaks(shop))) >= 4


def tell_the_whole_story(shop: Shop) -> None:
    """Record, change every secret by hand, halt, explain, review, proceed, record: with every command that tells."""
    ids = list(planted("before"))
    named = [part for resource_id in ids for part in ("--resource", resource_id)]
    assert shop("record", "--job", "shop", *named, "--json").code == 0
    assert shop("check", "--job", "shop", "--gate").code == 0
    for resource_id, body in planted(CHANGED).items():
        shop.sandbox.put(resource_id, {**body, "tags": {"by": "hand"}}, as_="person-portal")
    halted = shop("check", "--job", "shop", "--run", "1", "--ticket", "CHG1", "--json")
    assert halted.code == 1, halted.err
    # Sealing hides what a secret is, and not that it changed.
    assert {one["resource"] for one in halted.json()["findings"] if one["action"] == "halt"} == set(ids)
    halt = halted.json()["halt"]["id"]
    shop("check", "--job", "shop", "--run", "1")
    for as_json in ((), ("--json",)):
        for resource_id in ids:
            assert shop("explain", "--job", "shop", resource_id, *as_json).code == 0
        shop("explain", "--job", "shop", ids[0], "properties.DB_PASSWORD", *as_json)
        shop("halts", "list", *as_json)
        shop("halts", "show", halt, *as_json)
        shop("halts", "show", halt, "--evidence", *as_json)
        shop("jobs", "list", *as_json)
        shop("jobs", "show", "shop", *as_json)
        shop("jobs", "proposals", *as_json)
        shop("deliver", *as_json)
        shop("doctor", *as_json)
    assert shop("halts", "decide", halt, "overwrite", "--reason", "agreed", "--as", "dana").code == 0
    assert shop("check", "--job", "shop", "--run", "2").code == 0
    shop.sandbox.put(ids[0], planted("third")[ids[0]])
    shop("record", "--job", "shop", "--run", "2", "--json")
    shop.sandbox.fault(ids[0], "html")
    shop("check", "--job", "shop", "--run", "3")
    shop("doctor")


def leaks(shop: Shop) -> list[str]:
    """Where a canary stands: files as they are, rows, blobs as they are and unpacked, what was printed."""
    found = []
    for path in sorted(shop.folder.rglob("*")):
        if path.is_file() and CANARY.encode() in path.read_bytes():
            found.append(f"file {path.name}")
    with closing(sqlite3.connect(shop.store)) as connection:
        for key, data in connection.execute("SELECT key, data FROM blobs"):
            if CANARY.encode() in data or CANARY.encode() in unpacked(data):
                found.append(f"blob {key}")
        for kind, row_id, body in connection.execute("SELECT kind, id, body FROM rows"):
            if CANARY in body:
                found.append(f"row {kind} {row_id}")
    found += ["output" for text in shop.told if CANARY in text]
    return found


def unpacked(data: bytes) -> bytes:
    """A blob without its compression; as it is where it has none."""
    return zlib.decompress(data, wbits=31) if data.startswith(b"\x1f\x8b") else data
