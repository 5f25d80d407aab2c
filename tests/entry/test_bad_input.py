"""Wrong calls and broken surroundings: one line with the remedy, the right exit code, and nothing written."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.entry.cli import run
from driftguard.sandbox import OTHER_SUBSCRIPTION, SUBSCRIPTION
from tests.entry.cli_shop import Ran, Shop, cli_shop

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-shop"
ELSEWHERE = f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"
CI = {"TF_BUILD": "True", "BUILD_BUILDID": "77", "CI": "true"}


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop whose job has recorded a network."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "shop", "--resource", VNET).code == 0
        yield made


def refused(ran: Ran, code: int, *words: str) -> None:
    """One line on the standard error that has these words, and nothing on the standard output."""
    assert ran.code == code, ran
    assert ran.err.count("\n") == 1 and ran.err.startswith("driftguard: "), ran.err
    assert "internal fault" not in ran.err
    for word in words:
        assert word in ran.err
    assert ran.out == ""


MALFORMED = [
    "virtualNetworks/vnet-shop",
    "/",
    "/subscriptions",
    "/subscriptions//resourceGroups/x",
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups",
    f"{GROUP}/providers/Microsoft.Network",
    f"{GROUP}/providers/Microsoft.Network/virtualNetworks",
    f"{VNET}/..",
    f"{VNET}/../../secret",
    f"{VNET}%2f..%2fother",
    f"{VNET}?api-version=2024-05-01",
    f"{VNET}#fragment",
    f"{VNET}\n{VNET}",
    f"{VNET}\x00",
    f"{VNET} ",
    "https://example.com" + VNET,
    "http://management.azure.com" + VNET,
    "//example.com" + VNET,
    VNET + "a" * 5000,
    "\u202e" + VNET,
    "",
]


TAKE_AN_ID = [
    ("record", "--job", "new", "--resource"),
    ("check", "--job", "shop", "--resource"),
    ("explain", "--job", "shop"),
]


@pytest.mark.parametrize("resource", MALFORMED, ids=lambda text: repr(text[-40:]))
@pytest.mark.parametrize("command", TAKE_AN_ID, ids=lambda words: words[0])
def test_a_malformed_resource_id_is_refused_and_nothing_is_written(
    shop: Shop, command: tuple[str, ...], resource: str
) -> None:
    before = shop.written()
    refused(shop(*command, resource), 3)
    assert shop.written() == before


# What is called -> exit code, and words of the one line. Each runs on a store that has the job `shop`.
CALLS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "nothing recorded": (("check", "--job", "nobody"), 2, ("nothing is recorded", "driftguard record")),
    "nothing recorded, explain": (("explain", "--job", "nobody", VNET), 3, ("nobody", "driftguard record")),
    "nothing named": (("record", "--job", "new"), 3, ("--resource",)),
    "another tenant": (("record", "--job", "new", "--resource", VNET, "--resource", ELSEWHERE), 3, ("tenant",)),
    "a subscription unknown to ARM": (
        ("record", "--job", "new", "--resource", VNET.replace(SUBSCRIPTION, "99999999-9999-9999-9999-999999999999")),
        3,
        ("99999999",),
    ),
    "an id of another cloud": (
        ("record", "--job", "new", "--resource", "https://management.usgovcloudapi.net" + VNET),
        3,
        ("usgov",),
    ),
    "not a deployment": (("record", "--job", "new", "--deployment", VNET), 3, ("deployment",)),
    "a deployment that is not there": (
        ("record", "--job", "new", "--deployment", f"{GROUP}/providers/Microsoft.Resources/deployments/none"),
        3,
        ("none",),
    ),
    "not a resource group": (("record", "--job", "new", "--resource-group", VNET), 3, ("resource group",)),
    "not a subscription": (("record", "--job", "new", "--subscription", "shop"), 3, ()),
    "no such clearance": (("record", "--job", "shop", "--clearance", "c-1", "--run", "1"), 3, ("driftguard check",)),
    "a clearance for a new job": (
        ("record", "--job", "new", "--clearance", "c-1", "--resource", VNET),
        3,
        ("without --clearance",),
    ),
    "no time": (("check", "--job", "shop", "--wait", "soon"), 3, ("30m",)),
    "an endless time": (("check", "--job", "shop", "--wait", "9999999999h"), 3, ("30m",)),
    "a job's name with a slash": (("check", "--job", "a/b"), 3, ("name of a job",)),
    "a job's name that climbs": (("check", "--job", "../shop"), 3, ("name of a job",)),
    "a job's name of an index": (("check", "--job", "~index"), 3, ("name of a job",)),
    "no job's name": (("check", "--job", ""), 3, ("name of a job",)),
    "a job's name with an escape": (("check", "--job", "a\x1b[2Jb"), 3, ("name of a job",)),
    "a job's name of two lines": (("check", "--job", "a\nb"), 3, ("name of a job",)),
    "a job's name that reorders": (("check", "--job", "\u202eprod"), 3, ("name of a job",)),
    "a long job's name": (("check", "--job", "a" * 5000), 3, ("name of a job",)),
    "no such halt": (("halts", "show", "h-000000000000"), 3, ("halts list",)),
    "a halt's id of nothing": (("halts", "show", ""), 3, ("id",)),
    "a decision on no halt": (("halts", "decide", "h-none", "keep", "--reason", "x"), 3, ("halts list",)),
    "a decision without a reason": (("halts", "decide", "h-none", "keep", "--reason", " "), 3, ("reason",)),
    "no such job": (("jobs", "show", "nobody"), 3, ("nobody",)),
    "release of no lease": (("jobs", "release", "shop", "--reason", "x", "--as", "dana"), 3, ("shop",)),
    "retire what is not recorded": (
        ("jobs", "retire", "shop", "--reason", "x", "--as", "dana", "--resource", VNET + "x"),
        3,
        (),
    ),
    "no such proposal": (("jobs", "accept", "shop", "p-1", "--reason", "x", "--as", "dana"), 3, ("p-1",)),
    "halts of no such job": (("halts", "list", "--job", "nope"), 3, ("nope", "jobs list")),
    "notes of no such job": (("deliver", "--job", "nope"), 3, ("nope", "jobs list")),
    "proposals of no such job": (("jobs", "proposals", "--job", "nope"), 3, ("nope", "jobs list")),
    "no evidence to verify": (("verify",), 3, ("verify FILE --store",)),
    "evidence taken as the store": (("verify", "--store", "evidence.json"), 3, ("evidence.json", "FILE --store")),
    "no such resource": (("explain", "--job", "shop", "vnet-none"), 3, ("jobs show",)),
    "no path": (("explain", "--job", "shop", VNET, "properties[["), 3, ()),
    "no such file to replay": (("replay", "none.jsonl"), 3, ("none.jsonl",)),
    "no such policy": (("check", "--job", "shop", "--policy", "none.yaml"), 3, ("none.yaml",)),
    "a store of another kind": (("check", "--job", "shop", "--store", "s3://bucket"), 3, ("s3", "azure://ACCOUNT")),
    "a service without TLS": (("check", "--job", "shop", "--server", "http://guard.example.com"), 3, ("https",)),
    "scan of no such job": (("scan", "--job", "shop", "--job", "nope"), 3, ("nope", "jobs list")),
    "where notes of no such job stand": (("deliveries", "--job", "nope"), 3, ("nope", "jobs list")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_wrong_call_is_one_line_with_the_remedy_and_writes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, call: tuple[tuple[str, ...], int, tuple[str, ...]]
) -> None:
    monkeypatch.chdir(shop.folder)
    arguments, code, words = call
    before = shop.written()
    refused(shop(*arguments), code, *words)
    assert shop.written() == before


# What the command line itself refuses, before any command runs -> what the message names.
USAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown command": (("chekc",), "chekc"),
    "unknown subcommand": (("halts", "aprove"), "aprove"),
    "unknown option": (("check", "--job", "shop", "--force"), "--force"),
    "unknown choice": (("halts", "decide", "h-1", "approve", "--reason", "x"), "overwrite"),
    "an option is missing": (("check",), "--job"),
    "an argument is missing": (("explain", "--job", "shop"), "RESOURCE"),
    "too many arguments": (("deliver", "now"), "now"),
    "no number": (("halts", "show", "h-1", "--version", "last"), "last"),
    "no such file to verify": (("verify", "none.json"), "none.json"),
    "no such ids file": (("record", "--job", "new", "--ids-file", "none.txt"), "none.txt"),
}


@pytest.mark.parametrize(("arguments", "word"), USAGE.values(), ids=USAGE.keys())
def test_a_call_that_no_command_takes_is_three_and_writes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], word: str
) -> None:
    monkeypatch.chdir(shop.folder)
    before = shop.written()
    ran = shop(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert word in ran.err.splitlines()[-1]
    assert shop.written() == before


@pytest.mark.parametrize(("arguments", "word"), USAGE.values(), ids=USAGE.keys())
def test_a_call_that_no_command_takes_is_told_as_every_other_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], word: str
) -> None:
    monkeypatch.chdir(shop.folder)
    refused(shop(*arguments), 3, word, "--help")
    told = shop(*arguments, "--json").json()
    assert (told["exit_code"], told["problem"]) == (3, "wrong-use")


# What the environment says -> exit code, and words of the one line, of `check --job shop`.
ENVIRONMENTS: dict[str, tuple[Mapping[str, str], int, tuple[str, ...]]] = {
    "a service": ({"DRIFTGUARD_SERVER": "https://guard.example.com"}, 3, ("DRIFTGUARD_SERVER",)),
    "an endpoint elsewhere": ({"DRIFTGUARD_ARM_ENDPOINT": "https://arm.example.com"}, 3, ("127.0.0.1",)),
    "an endpoint that only begins like this machine": (
        {"DRIFTGUARD_ARM_ENDPOINT": "http://127.0.0.1.example.com"},
        3,
        ("127.0.0.1:PORT",),
    ),
    "an endpoint with a user": ({"DRIFTGUARD_ARM_ENDPOINT": "http://127.0.0.1@example.com"}, 3, ("this machine",)),
    "an endpoint without a token": ({"DRIFTGUARD_ARM_TOKEN": ""}, 3, ("token",)),
    "a token without an endpoint": ({"DRIFTGUARD_ARM_ENDPOINT": ""}, 3, ("token",)),
    "a token that ARM refuses": ({"DRIFTGUARD_ARM_TOKEN": "nobody"}, 2, ()),
    "another cloud": ({"DRIFTGUARD_CLOUD": "usgov"}, 3, ("DRIFTGUARD_CLOUD",)),
    "no cloud": ({"DRIFTGUARD_CLOUD": "mars"}, 3, ("public",)),
    "another tenant": ({"AZURE_TENANT_ID": "99999999-9999-9999-9999-999999999999"}, 3, ("AZURE_TENANT_ID",)),
    "no number of seconds": ({"DRIFTGUARD_READ_TIMEOUT": "soon"}, 3, ("DRIFTGUARD_READ_TIMEOUT",)),
    "seconds below zero": ({"DRIFTGUARD_READ_TIMEOUT": "-1"}, 3, ("DRIFTGUARD_READ_TIMEOUT",)),
    "endless seconds": ({"DRIFTGUARD_READ_TIMEOUT": "inf"}, 3, ("DRIFTGUARD_READ_TIMEOUT",)),
    "seconds that are none": ({"DRIFTGUARD_LOG_LATENCY": "nan"}, 3, ("DRIFTGUARD_LOG_LATENCY",)),
    "a policy that is missing": ({"DRIFTGUARD_POLICY": "none.yaml"}, 3, ("none.yaml",)),
    "a folder as policy": ({"DRIFTGUARD_POLICY": "."}, 3, ()),
    "a folder as store": ({"DRIFTGUARD_STORE": "."}, 3, ("folder",)),
    "a store over there": ({"DRIFTGUARD_STORE": "azure://Not an account"}, 3, ("azure",)),
    "the default store inside CI": ({**CI, "DRIFTGUARD_STORE": ""}, 3, ("inside CI", "DRIFTGUARD_STORE")),
    "the default store inside CI, named": ({**CI, "DRIFTGUARD_STORE": "./.driftguard/store.db"}, 3, ("inside CI",)),
    "CI that tells no run": ({"CI": "true"}, 3, ("--run",)),
    "CI that tells an empty run": ({"TF_BUILD": "True", "BUILD_BUILDID": ""}, 3, ("--run",)),
}


@pytest.mark.parametrize("given", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_a_wrong_setting_is_one_line_with_the_remedy_and_writes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, given: tuple[Mapping[str, str], int, tuple[str, ...]]
) -> None:
    monkeypatch.chdir(shop.folder)
    environ, code, words = given
    before = shop.written()
    refused(shop("check", "--job", "shop", environ=environ), code, *words)
    assert shop.written() == before


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 1\nmodus: observe\n", ":2"),
        ("version: 1\njobs:\n  - match: shop\n    reviewer: [x]\n", ":4"),
        ("version: 2\n", ":1"),
        ("- version\n", ":1"),
        ("version: 1\n\tdefaults: {}\n", ":2"),
        ("version: 1\nrules: &a [*a]\n", ""),
        ("\x00", ""),
    ],
    ids=["unknown key", "unknown key of a job", "a later version", "a list", "a tab", "an anchor", "binary"],
)
def test_a_wrong_policy_file_is_named_with_its_line(shop: Shop, text: str, place: str) -> None:
    (shop.folder / "policy.yaml").write_text(text)
    before = shop.written()
    refused(shop("check", "--job", "shop"), 3, f"policy.yaml{place}")
    assert shop.written() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("0 resources",)),
        (b"\n# nothing\n\n", ("0 resources",)),
        (b"\xff\xfe\x00", ("UTF-8",)),
        (b"\x00\x01\x02", ()),
        (b"vnet-shop\n", ()),
        (VNET.encode() + b"\nrubbish\n", ()),
        (b"{}", ()),
    ],
    ids=["empty", "comments", "not UTF-8", "binary", "a name", "one line wrong", "JSON"],
)
def test_a_file_of_ids_that_is_none_records_nothing(shop: Shop, content: bytes, words: tuple[str, ...]) -> None:
    ids = shop.folder / "ids.txt"
    ids.write_bytes(content)
    before = shop.written()
    refused(shop("record", "--job", "new", "--ids-file", str(ids)), 3, *words)
    assert shop.written() == before


@pytest.mark.parametrize("command", ["overwrite", "keep", "stop", "waive"])
def test_a_decision_inside_ci_is_refused(shop: Shop, command: str) -> None:
    halt = halted(shop)
    before = shop.written()
    ran = shop("halts", "decide", halt, command, "--reason", "agreed", "--as", "dana", environ=CI)
    refused(ran, 3, "inside CI")
    refused(shop("halts", "confirm", halt, "--in-code", "abc", "--as", "dana", environ=CI), 3, "inside CI")
    assert shop.written() == before


@pytest.mark.parametrize("verb", ["release", "retire"])
def test_a_change_of_a_job_inside_ci_is_refused(shop: Shop, verb: str) -> None:
    shop("check", "--job", "shop", "--run", "1")
    before = shop.written()
    refused(shop("jobs", verb, "shop", "--reason", "x", "--as", "dana", environ=CI), 3, "CI")
    assert shop.written() == before


def test_a_second_run_while_the_job_is_updating_is_busy_and_told_who(shop: Shop) -> None:
    assert shop("check", "--job", "shop", "--run", "one").code == 0
    before = shop.written()
    refused(shop("check", "--job", "shop", "--run", "two"), 4, "one", "jobs release")
    refused(shop("check", "--job", "shop", "--run", "two", "--gate"), 4, "one")
    refused(shop("record", "--job", "shop", "--run", "two"), 4, "one")
    assert shop.written() == before


def test_a_record_over_an_open_halt_is_refused_with_the_halts_own_exit_code(shop: Shop) -> None:
    halt = halted(shop)
    before = shop.written()
    refused(shop("record", "--job", "shop", "--run", "2"), 1, halt)
    assert shop.written() == before


def test_hostile_text_of_callers_reaches_no_terminal(shop: Shop) -> None:
    hostile = "\x1b[2J\u202e\rPROCEED\n::error::x\n##vso[task.complete]"
    change_by_hand(shop)
    ran = shop("check", "--job", "shop", "--run", hostile, "--ticket", hostile, "--stage", hostile)
    assert ran.code in (1, 3)
    shown = ran.out + ran.err
    shown += "".join(path.read_text() for path in (shop.folder / "tickets").rglob("*.md"))
    assert not {"\x1b", "\u202e", "\r"} & set(shown)
    assert not [line for line in shown.splitlines() if line.startswith(("PROCEED", "::", "##vso"))]
    assert all(shop.folder in path.resolve().parents for path in (shop.folder / "tickets").rglob("*"))


@pytest.mark.parametrize("kind", [RuntimeError, EOFError, OSError])
def test_an_unforeseen_fault_is_two_and_tells_nothing_of_what_was_read(
    shop: Shop, capsys: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    class Broken(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            raise kind("c4n4ry")

    assert run(["check", "--job", "shop"], Broken()) == 2
    printed = capsys.readouterr()
    assert "internal fault" in printed.err and "c4n4ry" not in printed.err + printed.out
    assert run(["check", "--job", "shop", "--json"], Broken()) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["problem"]) == (2, "could-not-tell") and "internal fault" in told["message"]


# The store


def test_a_store_of_a_newer_schema_is_refused(shop: Shop) -> None:
    with closing(sqlite3.connect(shop.store)) as hand, hand:
        hand.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    before = shop.written()
    for command in (("check", "--job", "shop"), ("record", "--job", "shop"), ("halts", "list")):
        refused(shop(*command), 3, "99", "newer version")
    assert shop.written() == before


@pytest.mark.parametrize("content", [b"no database at all, " * 400, b"", b"SQLite format 3\x00" + b"\xee" * 8192])
def test_a_damaged_or_foreign_store_is_refused(shop: Shop, content: bytes) -> None:
    for left in shop.folder.glob("store.db-*"):
        left.unlink()
    shop.store.write_bytes(content)
    ran = shop("check", "--job", "shop")
    refused(ran, ran.code, str(shop.store), "restore")
    assert ran.code in (2, 3)
    assert shop.store.read_bytes() == content


def test_pages_damaged_within_the_store_let_nothing_proceed(shop: Shop) -> None:
    with closing(sqlite3.connect(shop.store)) as hand:
        hand.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(shop.store.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    shop.store.write_bytes(data)
    refused(shop("check", "--job", "shop"), 2, "damaged", "backup")


def test_a_missing_key_file_lets_nothing_proceed(shop: Shop) -> None:
    shop.store.with_name("store.db.key").unlink()
    before = shop.written()
    refused(shop("check", "--job", "shop"), 2, "store.db.key", "restore")
    refused(shop("record", "--job", "shop"), 2, "store.db.key", "restore")
    assert shop.written() == before
    assert not shop.store.with_name("store.db.key").exists()


def test_the_key_file_of_another_store_lets_nothing_proceed(shop: Shop) -> None:
    other = shop.folder / "other"
    other.mkdir()
    shop("record", "--job", "shop", "--resource", VNET, "--store", str(other / "store.db"))
    (other / "store.db.key").replace(shop.store.with_name("store.db.key"))
    refused(shop("check", "--job", "shop"), 2, "lacks the key")


def test_a_key_file_that_others_can_read_is_refused(shop: Shop) -> None:
    shop.store.with_name("store.db.key").chmod(0o644)
    refused(shop("check", "--job", "shop"), 3, "store.db.key")


def test_only_record_and_check_begin_a_store(shop: Shop) -> None:
    none = str(shop.folder / "none" / "store.db")
    looking = (("halts", "list"), ("jobs", "list"), ("scan",), ("deliveries",), ("explain", "--job", "shop", VNET))
    for command in (*looking, ("deliver",)):
        refused(shop(*command, "--store", none), 3, "there is no store")
    assert not Path(none).parent.exists()


# Where there is no store yet: what is refused begins none. What is called -> environment, exit code, words of the one line.
BEGINNINGS: dict[str, tuple[tuple[str, ...], Mapping[str, str], int, tuple[str, ...]]] = {
    "nothing named": ((), {}, 3, ("--resource",)),
    "a clearance": (("--resource", VNET, "--clearance", "c-123"), {}, 3, ("without --clearance",)),
    "a missing policy": (("--resource", VNET), {"DRIFTGUARD_POLICY": "none.yaml"}, 3, ("none.yaml",)),
    "a bad policy": (("--resource", VNET), {"DRIFTGUARD_POLICY": "bad.yaml"}, 3, ("bad.yaml:2",)),
    "an endpoint elsewhere": (
        ("--resource", VNET),
        {"DRIFTGUARD_ARM_ENDPOINT": "https://a.example"},
        3,
        ("127.0.0.1",),
    ),
    "no token": (("--resource", VNET), {"DRIFTGUARD_ARM_TOKEN": ""}, 3, ("token",)),
    "a token that ARM refuses": (("--resource", VNET), {"DRIFTGUARD_ARM_TOKEN": "nobody"}, 2, ("sign in",)),
    "another tenant": (("--resource", VNET, "--resource", ELSEWHERE), {}, 3, ("tenant",)),
    "a group that is not there": (("--resource-group", f"{GROUP}-none"), {}, 2, ()),
    "a deployment that is not there": (
        ("--deployment", f"{GROUP}/providers/Microsoft.Resources/deployments/none"),
        {},
        3,
        ("none",),
    ),
    "nothing that can be read": (("--resource", VNET + "-none"), {}, 2, ()),
}


@pytest.mark.parametrize("given", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_first_record_that_is_refused_begins_no_store_and_no_key(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[tuple[str, ...], Mapping[str, str], int, tuple[str, ...]],
) -> None:
    named, environ, code, words = given
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("version: 1\nmodus: observe\n")
    with cli_shop(tmp_path, capsys) as new:
        store = {"DRIFTGUARD_STORE": str(tmp_path / "made" / "store.db")}
        ran = new("record", "--job", "j1", *named, environ={**store, **environ})
    refused(ran, ran.code, *words)
    assert ran.code == code
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.yaml", "policy.yaml"]


def test_a_first_record_begins_a_store_that_only_its_owner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cli_shop(tmp_path, capsys) as new:
        environ = {"DRIFTGUARD_STORE": str(tmp_path / "made" / "store.db")}
        assert new("record", "--job", "j1", "--resource", VNET, environ=environ).code == 0
        assert new("check", "--job", "j1", environ=environ).code == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "made").glob("store.db*")}
    assert (modes["store.db"], modes["store.db.key"]) == (0o600, 0o600)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700


# doctor


def looked_at(shop: Shop, **environ: str) -> dict[str, tuple[bool, str]]:
    """What doctor finds; its exit code agrees."""
    ran = shop("doctor", "--json", environ=environ)
    told = {one["name"]: (one["ok"], one["told"]) for one in ran.json()["looked_at"]}
    assert ran.code == ran.json()["exit_code"] == (0 if all(ok for ok, _ in told.values()) else 2), ran
    return told


def test_doctor_finds_a_shop_in_order_in_words_that_count_right(shop: Shop) -> None:
    told = looked_at(shop)
    assert all(ok for ok, _ in told.values()), told
    assert told["store"][1].endswith(": 1 job")
    assert told["ARM, shop"][1] == "1 subscription readable, 1 resource recorded"


def away(store: Path) -> None:
    for path in store.parent.glob("store.db*"):
        path.unlink()


def newer(store: Path) -> None:
    with closing(sqlite3.connect(store)) as hand, hand:
        hand.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no store": (
        away,
        "store",
        "there is no store",
    ),
    "a newer store": (newer, "store", "newer version"),
    "a damaged store": (lambda store: store.write_bytes(b"no database at all, " * 400), "store", "restore"),
    "no key file": (lambda store: store.with_name("store.db.key").unlink(), "secret key", "restore the key file"),
    "an open key file": (lambda store: store.with_name("store.db.key").chmod(0o644), "secret key", "chmod 600"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_doctor_tells_what_is_wrong_by_its_name_and_looks_at_the_rest_all_the_same(
    shop: Shop, damage: tuple[Callable[[Path], object], str, str]
) -> None:
    harm, name, words = damage
    harm(shop.store)
    told = looked_at(shop)
    assert [wrong for wrong, (ok, _) in told.items() if not ok] == [name]
    assert words in told[name][1]
    assert told["policy"][0] and [text for symptom, (_, text) in told.items() if symptom.startswith("ARM")]


def test_doctor_without_a_job_says_so_and_looks_at_the_sign_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cli_shop(tmp_path, capsys) as new:
        open_sqlite(new.store).close()
        assert looked_at(new)["ARM"] == (True, f"no job recorded yet; signed in to {new.sandbox.endpoint}")
        assert not looked_at(new, DRIFTGUARD_ARM_TOKEN="nobody")["ARM"][0]


def test_doctor_tells_a_bad_policy_and_bad_settings_beside_each_other(shop: Shop) -> None:
    told = looked_at(shop, DRIFTGUARD_POLICY="none.yaml", DRIFTGUARD_ARM_TOKEN="")
    assert [ok for ok, _ in told.values()] == [False, False]
    assert "none.yaml" in told["policy"][1] and "token" in told["settings"][1]
    assert looked_at(shop, DRIFTGUARD_ARM_TOKEN="")["policy"][0]


# explain


def test_explain_tells_a_rule_with_its_reason_and_whom_to_ask(shop: Shop) -> None:
    rule = (
        "  - {name: tags are free, match: {type: '*'}, ignore: [tags], reason: the desk sets them, owner: desk team}\n"
    )
    with (shop.folder / "policy.yaml").open("a") as policy:
        policy.write(f"rules:\n{rule}")
    change_by_hand(shop)
    told = shop("explain", "--job", "shop", VNET, "--json").json()
    [path] = [one for one in told["paths"] if one["path"].startswith("tags")]
    assert (path["class"], path["rule"], path["differs"]) == ("ignored", "tags are free", True)
    assert (path["reason"], path["owner"]) == ("the desk sets them", "desk team")
    assert datetime.fromisoformat(told["recorded"]["at"]).tzinfo is not None
    assert "tags are free: the desk sets them (desk team)" in shop("explain", "--job", "shop", VNET).out
    asked = shop("explain", "--job", "shop", VNET, "tags.other")
    assert "tags are free: the desk sets them (desk team)" in asked.out
    other = shop("explain", "--job", "shop", VNET, "properties.addressSpace", "--json").json()["paths"][0]
    assert (other["reason"], other["owner"]) == (None, None)


def test_explain_of_what_cannot_be_read_is_two(shop: Shop) -> None:
    shop.sandbox.fault(VNET, "403")
    ran = shop("explain", "--job", "shop", VNET, "--json")
    assert (ran.code, ran.json()["exit_code"], ran.json()["finding"]) == (2, 2, "unreadable")
    assert shop("explain", "--job", "shop", VNET).code == 2


# JSON


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_with_json_a_refusal_is_one_object_that_agrees_with_the_exit_code(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, call: tuple[tuple[str, ...], int, tuple[str, ...]]
) -> None:
    monkeypatch.chdir(shop.folder)
    arguments, code, _ = call
    ran = shop(*arguments, "--json")
    assert ran.code == code
    told = ran.json()
    assert told["exit_code"] == code
    assert told["problem"] and told["message"]
    assert ran.err.startswith("driftguard: ")


def test_with_json_every_result_is_one_object_that_agrees_with_the_exit_code(shop: Shop) -> None:
    answers = [shop("check", "--job", "shop", "--gate", "--json")]
    halt = halted(shop)
    answers += [
        shop("check", "--job", "shop", "--run", "1", "--json"),
        shop("record", "--job", "new", "--resource", VNET, "--json"),
        shop("record", "--job", "new", "--resource", VNET, "--json"),
    ]
    shop.sandbox.fault(VNET, "403")
    answers.append(shop("check", "--job", "new", "--json"))
    assert [ran.code for ran in answers] == [0, 1, 0, 0, 2]
    assert [ran.json()["exit_code"] for ran in answers] == [0, 1, 0, 0, 2]
    for command in (
        ("halts", "list"),
        ("halts", "show", halt),
        ("jobs", "list"),
        ("jobs", "show", "shop"),
        ("jobs", "proposals"),
        ("deliver",),
        ("deliveries", "--all"),
        ("scan",),
        ("explain", "--job", "shop", VNET),
        ("doctor",),
    ):
        ran = shop(*command, "--json")
        assert isinstance(json.loads(ran.out), dict), command
        assert ran.json().get("exit_code", ran.code) == ran.code


def change_by_hand(shop: Shop) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")


def halted(shop: Shop) -> str:
    """Let the job be halted; the halt's id."""
    change_by_hand(shop)
    ran = shop("check", "--job", "shop", "--run", "1", "--json")
    assert ran.code == 1, ran.err
    return str(ran.json()["halt"]["id"])
