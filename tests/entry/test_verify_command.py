"""`driftguard verify`: a file, a job's ledger, the whole store, against its anchors and against the head on a note."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.adapters.stores.sqlite import open_sqlite
from tests.entry.cli_shop import Shop, cli_shop
from tests.scenarios.rewriting import another_reason, remove_job, rewrite
from tests.world import VNET

JOB = "nets"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A job with a halt and its note, and the anchor of today."""
    (tmp_path / "anchors").mkdir()
    with cli_shop(tmp_path, capsys) as made:
        made.environ["DRIFTGUARD_ANCHORS"] = str(tmp_path / "anchors")
        assert made("record", "--job", JOB, "--resource", VNET).code == 0
        made.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
        assert made("scan").code == 1
        yield made


def anchor_name(shop: Shop) -> str:
    [path] = (shop.folder / "anchors" / "heads").iterdir()
    return f"heads/{path.name}"


def evidence_file(shop: Shop) -> str:
    [halt] = shop("halts", "list", "--json").json()["halts"]
    path = shop.folder / "evidence.json"
    path.write_text(shop("halts", "show", halt["id"], "--evidence").out)
    return str(path)


def head_on_the_note(shop: Shop) -> str:
    [note] = (shop.folder / "tickets").rglob("*.md")
    found = re.search(r"Head of the ledger of `([^`]+)`: `([^`]+)`", note.read_text())
    assert found
    return f"{found[1]}:{found[2]}"


def write_anew(shop: Shop) -> None:
    store = open_sqlite(shop.store)
    rewrite(store, JOB, another_reason)
    store.close()


def test_a_scan_says_which_anchor_it_wrote_and_verify_which_it_checked(shop: Shop) -> None:
    name = anchor_name(shop)
    ran = shop("verify", "--store")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "everything is as it was written")
    assert re.search(rf"ledger of {JOB}: \d+ entries; entry \d+ as anchored on \d{{4}}-\d\d-\d\d \({name}\)", ran.out)
    told = shop("verify", "--store", "--json").json()
    assert (told["ok"], told["exit_code"], told["faults"]) == (True, 0, [])
    assert told["anchors"]["jobs"][JOB]["name"] == name
    assert told["anchors"]["where"] == str(shop.folder / "anchors")


def test_one_evidence_file_is_held_against_the_anchors_of_its_job(shop: Shop) -> None:
    file = evidence_file(shop)
    ran = shop("verify", file, "--store")
    assert ran.code == 0 and anchor_name(shop) in ran.out
    assert shop("verify", file).out.count("\n") == 2


@pytest.mark.parametrize(
    "arguments", [("--store",), ("--store", "--head", "HEAD"), ("--head", "HEAD"), ("FILE", "--store")]
)
def test_history_written_anew_is_found(shop: Shop, arguments: tuple[str, ...]) -> None:
    words = {"HEAD": head_on_the_note(shop), "FILE": evidence_file(shop)}
    called = [words.get(word, word) for word in arguments]
    assert shop("verify", *called).code == 0
    write_anew(shop)
    ran = shop("verify", *called)
    assert ran.code == 1 and f"WRONG: ledger of {JOB}: entry " in ran.out
    assert "everything is as it was written" not in ran.out


def test_without_anchors_only_the_head_on_a_note_finds_it_and_the_text_says_so(shop: Shop) -> None:
    del shop.environ["DRIFTGUARD_ANCHORS"]
    head = head_on_the_note(shop)
    write_anew(shop)
    ran = shop("verify", "--store")
    assert ran.code == 0 and "not looked at: anchors: no place for them is set up (DRIFTGUARD_ANCHORS)" in ran.out
    assert shop("verify", "--store", "--json").json()["anchors"] is None
    assert shop("verify", "--head", head).code == 1


def test_a_job_that_is_gone_and_one_that_never_was_are_told(shop: Shop) -> None:
    head = head_on_the_note(shop)
    assert shop("verify", "--head", head.replace(JOB, "never")).code == 1
    store = open_sqlite(shop.store)
    remove_job(store, JOB)
    store.close()
    for arguments in (("--store",), ("--head", head)):
        ran = shop("verify", *arguments)
        assert ran.code == 1 and f"WRONG: the job {JOB} is not in the store" in ran.out


def test_anchors_that_cannot_be_asked_are_two_and_the_ledgers_are_looked_at(shop: Shop) -> None:
    shop.environ["DRIFTGUARD_ANCHORS"] = str(shop.folder / "not-mounted")
    ran = shop("verify", "--store")
    assert ran.code == 2
    assert "COULD NOT TELL: the ledgers were not held against the anchors: the folder for anchors" in ran.out
    assert f"looked at: ledger of {JOB}" in ran.out
    assert shop("scan").out.count("went wrong: anchor: the folder for anchors") == 1


@pytest.mark.parametrize(
    "wrong", ["", "nets", "nets:1", "nets:1:zz", "nets:x:" + "0" * 64, f"../x:1:{'a' * 64}", f"nets:0:{'a' * 64}"]
)
def test_what_is_no_head_of_a_ledger_is_wrong_use(shop: Shop, wrong: str) -> None:
    ran = shop("verify", "--head", wrong)
    assert ran.code == 3 and ("copy it from the note" in ran.err or "cannot be the name of a job" in ran.err)


def test_nothing_to_verify_and_a_file_taken_for_the_store_are_wrong_use(shop: Shop) -> None:
    assert shop("verify").code == 3
    ran = shop("verify", "--store", evidence_file(shop))
    assert ran.code == 3 and "driftguard verify FILE --store" in ran.err


@pytest.mark.parametrize(
    "place", ["azure://account", "azure://ACCOUNT/heads", "s3://bucket/heads", "azure://account/a_b"]
)
def test_a_place_that_cannot_be_one_is_wrong_configuration(shop: Shop, place: str) -> None:
    for command in (("verify", "--store"), ("scan",)):
        ran = shop(*command, environ={"DRIFTGUARD_ANCHORS": place})
        assert ran.code == 3 and "azure://ACCOUNT/CONTAINER" in ran.err


def test_doctor_says_when_the_ledgers_were_anchored_last(shop: Shop) -> None:
    looked = {one["name"]: one for one in shop("doctor", "--json").json()["looked_at"]}
    assert looked["anchors"]["ok"] and looked["anchors"]["told"].startswith(
        f"1 day in {shop.folder / 'anchors'}, the last"
    )
    shop.environ["DRIFTGUARD_ANCHORS"] = str(shop.folder / "not-mounted")
    looked = {one["name"]: one for one in shop("doctor", "--json").json()["looked_at"]}
    assert not looked["anchors"]["ok"] and "is not there" in looked["anchors"]["told"]
