"""Canaries: secrets in many places of many resources, and not one of them in anything that is stored or told.

Each canary is a text of its own that stands nowhere by chance: it is sought whole, in base64, and by every piece of eight
characters of it, in every file, row and blob that there is at the end, and in everything that a command printed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import string
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from driftguard.policies_folder import policies_folder
from driftguard.sandbox import SUBSCRIPTION, Sandbox, default_estate, faults
from driftguard.sandbox.answers import Answer, Refused, error
from tests.entry.cli_shop import POLICY, Shop, cli_shop
from tests.scenarios.traces import everything

APP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-app/providers"
DATA = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-data/providers"
SITE = f"{APP}/Microsoft.Web/sites/app-shop-web"
# Names are no secrets, whatever they look like.
NAMED_LIKE_A_SECRET = f"{APP}/Microsoft.Compute/disks/password-Xq7TzR4kLm2Vw9Bn"
CHANGED = "changed"
STATES = ("before", CHANGED, "third")
PIECE = 8
_LETTERS = string.ascii_letters + string.digits
REDACTING = """rules:
  - name: what only we know to be a secret
    match: {type: "Microsoft.Compute/*"}
    redact: [properties.ours.*.phrase, "properties.list[key=two].note"]
"""
_given: dict[tuple[str, str], str] = {}


def canary(name: str, state: str) -> str:
    """A secret that can be told from every other one: 24 letters and digits."""
    number = int.from_bytes(hashlib.sha256(f"{name} {state}".encode()).digest(), "big")
    return _given.setdefault((name, state), "".join(_LETTERS[number // 62**place % 62] for place in range(24)))


def forms() -> tuple[set[bytes], list[bytes]]:
    """Every piece of every canary that was planted, and what each is in the middle of a text in base64."""
    pieces = {text[at : at + PIECE].encode() for text in _given.values() for at in range(len(text) - PIECE + 1)}
    encoded = []
    for text in _given.values():
        for shift in range(3):
            # Cut where the neighbours of the canary decide on a character.
            encoded.append(base64.b64encode(b"x" * shift + text.encode())[4 : (shift + len(text)) // 3 * 4])
    return pieces, encoded


def holds_canary(data: bytes) -> bool:
    """Whether a canary, a piece of one, or its base64 stands in it."""
    pieces, encoded = forms()
    if any(data[at : at + PIECE] in pieces for at in range(len(data) - PIECE + 1)):
        return True
    return any(one in data for one in encoded)


def planted(state: str) -> dict[str, dict[str, Any]]:
    """Resource id -> body, with a secret in every form that people put one: by name, by shape, in texts and lists."""

    def secret(name: str) -> str:
        return canary(name, state)

    key = f"{secret('account-key')}{'A' * 86}"[:86] + "=="
    return with_what_models_call_write_only(
        {
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
            NAMED_LIKE_A_SECRET: {
                "location": "westeurope",
                "tags": {"stage": state},
                "properties": {
                    "ours": {"a": {"phrase": secret("redacted")}, "b": {"phrase": [secret("redacted-list")]}},
                    "list": [{"key": "one", "note": "plain"}, {"key": "two", "note": secret("redacted-element")}],
                },
            },
        },
        state,
    )


def with_what_models_call_write_only(bodies: dict[str, dict[str, Any]], state: str) -> dict[str, dict[str, Any]]:
    """The bodies, with a secret at each path that the shipped tables call a secret of their type."""
    for resource_id, body in bodies.items():
        type_ = "/".join([resource_id.split("/")[6], *resource_id.split("/")[7::2]])
        file = policies_folder() / "platform" / f"{type_.split('/')[0]}.json"
        tables = json.loads(file.read_text()) if file.exists() else {}
        for path in tables.get(type_, {}).get("secret", []):
            place, names = body, path.split(".")
            if any(not name.isalnum() for name in names):
                continue
            for name in names[:-1]:
                place = place.setdefault(name, {})
                if not isinstance(place, dict):
                    break
            else:
                place.setdefault(names[-1], canary(f"write-only {type_} {path}", state))
    return bodies


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop in whose estate every resource of `planted` stands, and whose ARM tells secrets when it refuses a call."""
    _given.clear()
    kept: Mapping[str, Any] = dict(default_estate()) | {
        f"{APP}/Microsoft.ApiManagement/service/api": {"location": "westeurope", "properties": {}}
    }
    monkeypatch.setattr(faults.Fault, "refusal", telling_refusal)
    monkeypatch.setattr(faults, "unlike_arm", telling_page)
    with cli_shop(tmp_path, capsys, Sandbox([*kept.items(), *planted("before").items()])) as made:
        with_policy(made, REDACTING)
        yield made


def with_policy(shop: Shop, rules: str) -> None:
    (shop.folder / "policy.yaml").write_text(POLICY + rules)


def telling_refusal(fault: faults.Fault) -> Refused:
    """An error of ARM with secrets in its message, its details and its headers."""
    detail = {"code": "Inner", "message": f"failed with Password={canary('error-detail', 'before')}"}
    refused = error(int(fault.fault), "Refused", f"token {canary('error', 'before')} is not valid", details=[detail])
    headers = {
        "WWW-Authenticate": f'Bearer error="{canary("challenge", "before")}"',
        "Set-Cookie": f"session={canary('cookie', 'before')}",
        "x-debug": canary("header", "before"),
    }
    return Refused(refused.answer.with_headers(headers))


def telling_page(fault: faults.Fault) -> tuple[Answer, bytes, str]:
    """A page, or half an answer, that is not ARM's."""
    page = f"<html><form><input name=t value={canary('page', 'before')}></form></html>"
    return Answer(200), page.encode(), "text/html"


def test_no_secret_is_in_anything_that_is_stored_or_told(shop: Shop) -> None:
    for resource_id in planted("before"):
        live = str(shop.sandbox.get(resource_id)).encode()
        assert holds_canary(live), f"{resource_id} gives no secret: it proves nothing"
    tell_the_whole_story(shop)
    assert leaks(shop) == []
    told = "".join(shop.told)
    assert NAMED_LIKE_A_SECRET in told and "changed" in told, "a name and a plain tag are told as they are"


def test_a_secret_that_a_rule_names_later_is_in_nothing_that_is_stored_either(shop: Shop) -> None:
    """Recorded twice in clear text, by deployments; then the rule comes, and the next command takes it out."""
    with_policy(shop, "")
    named = named_resources()
    assert shop("record", "--job", "shop", "--run", "0", *named).code == 0
    assert shop("check", "--job", "shop", "--run", "1").code == 0
    shop.sandbox.put(NAMED_LIKE_A_SECRET, planted("third")[NAMED_LIKE_A_SECRET])
    assert shop("record", "--job", "shop", "--run", "1", *named).code == 0
    assert leaks(shop) != []
    with_policy(shop, REDACTING)
    assert shop("check", "--job", "shop", "--run", "2").code == 0
    assert leaks(shop) == []
    shop("doctor")
    assert shop("check", "--job", "shop", "--run", "2").code == 0
    assert leaks(shop) == []


@pytest.mark.parametrize("place", ["blob", "row", "note", "output", "piece", "base64"])
def test_the_test_would_notice(shop: Shop, place: str) -> None:
    """The harness finds a canary in a blob, a row, a note and in the output, in part and encoded: it is no empty proof."""
    assert shop("record", "--job", "shop", *named_resources()).code == 0
    text = canary("seen", "here")
    with closing(sqlite3.connect(shop.store)) as hand, hand:
        if place == "blob":
            hand.execute("INSERT INTO blobs VALUES ('a', ?)", (zlib.compress(text.encode(), wbits=31),))
        if place == "row":
            hand.execute("INSERT INTO rows VALUES ('a', 'a', 'a', '1', ?)", (text,))
    if place == "note":
        (shop.folder / "tickets").mkdir()
        (shop.folder / "tickets" / "note.md").write_text(text)
    if place == "output":
        shop.told.append(text)
    if place == "piece":
        shop.told.append(f"it begins with {text[:PIECE]}")
    if place == "base64":
        shop.told.append(base64.b64encode(f"user:{text}:x".encode()).decode())
    assert leaks(shop)


def named_resources() -> list[str]:
    return [part for resource_id in planted("before") for part in ("--resource", resource_id)]


def tell_the_whole_story(shop: Shop) -> None:
    """Record, change every secret by hand, halt, explain, review, proceed, record: with every command that tells."""
    ids = list(planted("before"))
    assert shop("record", "--job", "shop", *named_resources(), "--json").code == 0
    assert shop("check", "--job", "shop", "--gate").code == 0
    for resource_id, body in planted(CHANGED).items():
        shop.sandbox.put(resource_id, {**body, "tags": {"by": "hand", "stage": CHANGED}}, as_="person-portal")
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
        shop("deliver", *as_json)
        shop("doctor", *as_json)
        tell_of_files(shop, *as_json)
    assert shop("record", "--job", "shop", *named_resources(), "--as", "dana").code in (0, 3)
    shop("jobs", "proposals", "--json")
    assert shop("halts", "decide", halt, "overwrite", "--reason", "agreed", "--as", "dana").code == 0
    assert shop("check", "--job", "shop", "--run", "2").code == 0
    shop.sandbox.put(ids[0], planted("third")[ids[0]])
    shop("record", "--job", "shop", "--run", "2", "--json")
    tell_of_trouble(shop, ids[0])


def tell_of_files(shop: Shop, *as_json: str) -> None:
    """The commands that read a file: the evidence, recorded readings with every secret in clear text, a policy."""
    evidence = next(iter(sorted((shop.folder / "tickets").rglob("*.json"))))
    assert shop("verify", str(evidence), *as_json).code == 0
    shop("verify", str(evidence), "--store", str(shop.store), *as_json)
    pairs = []
    for (resource_id, before), after in zip(planted("before").items(), planted(CHANGED).values(), strict=True):
        type_ = "/".join([resource_id.split("/")[6], *resource_id.split("/")[7::2]])
        pairs.append(
            {"pair_id": resource_id, "type": type_, "api": "x", "id": resource_id, "before": before, "after": after}
        )
    recording = shop.folder.parent / "pairs.jsonl"
    recording.write_text("\n".join([*(json.dumps(pair) for pair in pairs), f"half a {canary('line', 'before')}"]))
    policy = ("--policy", str(shop.folder / "policy.yaml"))
    shop("replay", str(recording), "--verdicts", str(shop.folder / "verdicts.jsonl"), *policy, *as_json)
    shop("policy", "check", str(shop.folder / "policy.yaml"), "--pairs", str(recording), *as_json)
    recording.unlink()


def tell_of_trouble(shop: Shop, resource_id: str) -> None:
    """Every way in which ARM does not answer, with secrets in what it says instead; some are tried again, which takes long."""
    for number, fault in enumerate(("403", "404", "html", "not-object", "500", "half-body")):
        shop.sandbox.fault(resource_id, fault)
        shop("check", "--job", "shop", "--gate", "--json")
        if fault not in ("500", "half-body"):
            shop("check", "--job", "shop", "--run", f"trouble-{number}")
            shop("explain", "--job", "shop", resource_id)
            shop("record", "--job", "other", "--resource", resource_id, "--json")
            shop("doctor", "--json")
        shop.sandbox.clear_faults()


def leaks(shop: Shop) -> list[str]:
    """Where a canary stands: files as they are, rows, blobs as they are and unpacked, what was printed."""
    found = {where for where, data in everything(shop.folder) if holds_canary(data)}
    found |= {"output" for text in shop.told if holds_canary(text.encode())}
    return sorted(found)
