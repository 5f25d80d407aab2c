"""Nothing secret in a thousand items that were really sent: the demo, and the story in which every resource holds secrets.

What is sought in the raw bytes, also in base64 and percent-encoded: values of secrets in bodies and in ARM's errors, the
token for ARM, the storage account's key, the key of the marks, people's names, tickets, reasons, ids, names of resources.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from driftguard.adapters.telemetry import TELEMETRY
from driftguard.entry import demo
from driftguard.entry.cli import run
from driftguard.flow.halt import Decision
from driftguard.flow.telemetry import INSTRUMENTS
from driftguard.guard.scan import gate_every_job
from driftguard.system_clock import SystemClock
from tests.adapters.telemetry.ingestion import Ingestion, ingestion
from tests.entry.cli_shop import Shop
from tests.scenarios.steps import decided, halted, set_dns, story
from tests.scenarios.test_no_secret_leaves import holds_canary, named_resources, planted, shop
from tests.source_tree import ROOT
from tests.world import VNET, World

__all__ = ["shop"]

ENOUGH = 1_000
SETTING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
MARK_KEY = base64.b64encode(bytes(range(40, 72))).decode()
WORDS = [
    demo.PERSON,
    demo.REVIEWER,
    demo.TICKET,
    demo.RULE,
    demo.NSG,
    "anna",
    "dana",
    "nsg-web",
    "rg-shop",
    "subscriptions",
    "SSH from the jump host",
    "9f2c1ab",
    "agreed",
    "CHG1",
    "pipeline",  # the token for ARM
    "release-4",
    "10.20.0",
    "Microsoft.Network",
    "PLAIN_SETTING",
]


@pytest.fixture
def endpoint() -> Iterator[Ingestion]:
    with ingestion() as opened:
        yield opened


def forms(text: str) -> set[bytes]:
    """The text as it may stand in what is sent."""
    raw = text.encode()
    encoded = {base64.b64encode(b"x" * shift + raw)[4 : (shift + len(raw)) // 3 * 4] for shift in range(3)}
    return {raw, quote(text, safe="").encode(), raw.hex().encode(), *(one for one in encoded if len(one) > 7)}


def found(sent: bytes, words: Sequence[str]) -> list[str]:
    return [text for text in words if any(form in sent for form in forms(text))]


@pytest.fixture(scope="module")
def demo_told() -> tuple[demo.Told, Ingestion]:
    """The demo, played once: each of its commands measures."""

    def measuring(words: Sequence[str], environ: Mapping[str, str]) -> int:
        return run(words, {**environ, SETTING: opened.connection})

    with ingestion() as opened, pytest.MonkeyPatch.context() as patched:
        patched.setattr(SystemClock, "sleep", lambda clock, seconds: None)  # second readings are due at once
        return demo.play(measuring, None, lambda text: None), opened


def test_nothing_secret_is_in_a_thousand_items(
    shop: Shop, endpoint: Ingestion, demo_told: tuple[demo.Told, Ingestion], tmp_path_factory: pytest.TempPathFactory
) -> None:
    endpoint.raw += demo_told[1].raw
    endpoint.items += demo_told[1].items
    shop.environ[SETTING] = endpoint.connection
    tell_by_commands(shop)
    with story(tmp_path_factory.mktemp("story")) as telling:
        measured = TELEMETRY["azure-monitor"](endpoint.connection, "1.2.3")
        telling.guard = replace(telling.guard, telemetry=measured)
        tell_until_there_is_enough(telling, endpoint)
        measured.close()
    assert len(endpoint.items) >= ENOUGH
    sent = b"\n".join(endpoint.raw)
    assert not holds_canary(sent), "a piece of a secret is in telemetry"
    assert found(sent, [*WORDS, *planted("before"), str(shop.folder)]) == []


def tell_by_commands(shop: Shop) -> None:
    """Record, change every secret by hand, halt, review, proceed, record; and ARM that tells secrets where it refuses."""
    ids = list(planted("before"))
    named = named_resources()
    assert shop("record", "--job", "shop", *named).code == 0
    for resource_id, body in planted("changed").items():
        shop.sandbox.put(resource_id, {**body, "tags": {"by": "hand"}}, as_="person-portal")
    halted = shop("check", "--job", "shop", "--run", "1", "--ticket", demo.TICKET, "--json")
    assert halted.code == 1, halted.err
    halt = halted.json()["halt"]["id"]
    assert shop("scan").code == 1
    assert shop("deliver").code == 0
    assert shop("halts", "decide", halt, "overwrite", "--reason", "agreed", "--as", "dana").code == 0
    assert shop("check", "--job", "shop", "--run", "2").code == 0
    shop.sandbox.put(ids[0], planted("third")[ids[0]])
    shop("record", "--job", "shop", "--run", "2", *named)
    for fault in ("403", "404", "html"):
        shop.sandbox.fault(ids[0], fault)
        assert shop("check", "--job", "shop", "--gate").code != 0


def tell_until_there_is_enough(telling: World, endpoint: Ingestion) -> None:
    """People change things, runs are stopped, others decide: each told at once, for as long as it takes."""
    measured = telling.guard.telemetry
    telling.with_policy("version: 1\ndefaults: {stability_gap: 0s, settle: 0s, unknown_author: allow}\n")
    telling.first_record(VNET)
    for number in range(100):
        if len(endpoint.items) >= ENOUGH:
            return
        set_dns(telling, f"10.20.0.{number + 20}")
        halt = halted(telling.check(f"release-4{number}", ticket=demo.TICKET))
        measured.flush()
        for _ in range(12):  # what only looks is quick
            telling.check(f"release-4{number}", gate=True, ticket=demo.TICKET)
            measured.flush()
        decided(telling, halt, Decision.STOP)
        measured.flush()
        gate_every_job(telling.guard)
        measured.flush()


def test_the_demo_tells_what_it_did(demo_told: tuple[demo.Told, Ingestion]) -> None:
    told, endpoint = demo_told
    assert told.ok and told.halt
    # Each check is asked twice, for people and for machines.
    verdicts = {word: endpoint.total("driftguard.checks", verdict=word, mode="check") for word in ("proceed", "halt")}
    assert verdicts == {"proceed": 4, "halt": 4}
    assert endpoint.total("driftguard.records", outcome="recorded", job=demo.JOB) == 3
    assert endpoint.total("driftguard.decisions", decision="keep") == 1
    assert endpoint.total("driftguard.decisions", decision="confirm") == 1
    assert endpoint.total("driftguard.arm.requests", kind="resource", answer="ok") > 10
    assert endpoint.total("driftguard.arm.requests", answer="outage") == 0
    assert endpoint.total("driftguard.notes.sent", target="file", outcome="sent") >= 3
    assert endpoint.points("driftguard.halts.open")[-1] == (0, {"job": "*"})
    assert len(endpoint.spans("driftguard.check")) == 8
    assert found(b"\n".join(endpoint.raw), [*WORDS, told.halt["id"], told.halt["digest"]]) == []


def test_a_scan_and_a_delivery_tell_the_open_halt(shop: Shop, endpoint: Ingestion) -> None:
    ids = list(planted("before"))[:1]
    assert shop("record", "--job", "shop", "--resource", ids[0]).code == 0
    shop.sandbox.put(ids[0], planted("changed")[ids[0]], as_="person-portal")
    assert shop("check", "--job", "shop", "--run", "1").code == 1
    for command in (["scan"], ["deliver"]):
        endpoint.items.clear()
        shop(*command, environ={SETTING: endpoint.connection})
        assert sorted(endpoint.points("driftguard.halts.open"), key=str) == [(1, {"job": "*"}), (1, {"job": "shop"})]


def test_the_store_on_azure_is_told_by_service_and_answer(shop: Shop, azurite: Any, endpoint: Ingestion) -> None:
    parts = dict(part.split("=", 1) for part in azurite.connection.split(";") if part)
    store = f"azure://{parts['AccountName']}/{azurite.new_name()}"
    shop.environ |= {
        "DRIFTGUARD_STORE": store,
        "DRIFTGUARD_STORE_CONNECTION": azurite.connection,
        "DRIFTGUARD_SECRET_KEY": MARK_KEY,
        SETTING: endpoint.connection,
    }
    resource = next(iter(planted("before")))
    assert shop("record", "--job", "shop", "--resource", resource).code == 0
    assert shop("check", "--job", "shop", "--run", "1").code == 0
    for service in ("table", "blob"):
        assert endpoint.total("driftguard.storage.requests", service=service, answer="ok") > 1
    assert endpoint.total("driftguard.storage.requests", answer="outage") == 0
    sent = b"\n".join(endpoint.raw)
    assert found(sent, [*WORDS, parts["AccountKey"], parts["AccountName"], MARK_KEY, store]) == []
    assert not holds_canary(sent)


def test_the_test_would_notice(endpoint: Ingestion) -> None:
    for text in ("anna.berg@contoso.com", "pipeline"):
        for form in forms(text):
            assert found(b"x" + form + b"y", [text]) == [text]


@pytest.mark.parametrize("behaviour", ["500", "hang"])
def test_a_bad_endpoint_changes_no_answer(
    shop: Shop, endpoint: Ingestion, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long closing may take is shown in tests/adapters/telemetry.
    monkeypatch.setattr("driftguard.adapters.telemetry.azure_monitor.SECONDS_TO_CLOSE", 0.2)
    resource = next(iter(planted("before")))
    endpoint.behaviour = behaviour
    measured = {SETTING: endpoint.connection}
    recorded = shop("record", "--job", "shop", "--resource", resource, environ=measured)
    assert (recorded.code, recorded.err) == (0, "")
    plain = shop("check", "--job", "shop", "--gate", "--json")
    watched = shop("check", "--job", "shop", "--gate", "--json", environ=measured)
    assert (watched.code, watched.err, set(watched.json())) == (plain.code, plain.err, set(plain.json()))


def test_a_wrong_connection_string_is_one_line_and_changes_no_answer(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    resource = next(iter(planted("before")))
    with caplog.at_level(logging.WARNING):
        ran = shop(
            "record", "--job", "shop", "--resource", resource, environ={SETTING: "InstrumentationKey=my-secret-key"}
        )
    assert ran.code == 0 and len(caplog.records) == 1
    assert "my-secret-key" not in caplog.text + ran.out + ran.err


def test_every_instrument_is_measured_by_somebody() -> None:
    source = "".join(path.read_text() for path in (ROOT / "driftguard").rglob("*.py") if path.name != "telemetry.py")
    assert [name for name in INSTRUMENTS if f'"{name}"' not in source] == []
