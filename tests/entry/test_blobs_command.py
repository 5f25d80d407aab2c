"""Blobs on the command line: named by their address, beside resources of ARM, with the account's connection string."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.readers.blob_shop import HOST, Blobs, blobs
from tests.azurite.server import KEY, Azurite
from tests.entry.cli_shop import Shop, cli_shop
from tests.world import VNET

JOB = "shop-prod"
SIGNATURE = "c2lnbmF0dXJlLWNhbmFyeQ"


@pytest.fixture
def mine(azurite: Azurite) -> Iterator[Blobs]:
    with blobs(azurite) as found:
        yield found


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], azurite: Azurite) -> Iterator[Shop]:
    with cli_shop(tmp_path, capsys) as opened:
        opened.environ["DRIFTGUARD_BLOB_CONNECTION"] = azurite.connection
        yield opened


def test_a_blob_and_a_container_are_recorded_checked_explained_and_moved(shop: Shop, mine: Blobs) -> None:
    settings = mine.put("settings.json", b'{"a": {"b": 1}, "password": "hunter2-canary"}')
    assert shop("record", "--job", JOB, "--container", mine.url, "--resource", VNET).code == 0
    assert shop("check", "--job", JOB, "--gate", "--run", "r").code == 0

    mine.put("settings.json", b'{"a": {"b": 2}, "password": "hunter2-canary-2"}')
    checked = shop("check", "--job", JOB, "--run", "r", "--json")
    assert checked.code == 1
    changes = json.dumps(checked.json())
    assert "body.a.b" in changes and "body.password" in changes
    assert "no source tells who writes a blob" in changes
    explained = shop("explain", "--job", JOB, "settings.json")
    assert "body.a.b" in explained.out
    assert shop("explain", "--job", JOB, settings).out == explained.out
    assert settings in shop("jobs", "show", JOB, "--json").out
    assert shop("doctor").code == 0
    assert "hunter2-canary" not in "".join(shop.told) + str(shop.written())


def test_only_what_is_named_is_judged(shop: Shop, mine: Blobs) -> None:
    first, second = mine.put("first.json", b"{}"), mine.put("second.json", b"{}")
    shop("record", "--job", JOB, "--resource", first, "--resource", second)
    mine.put("second.json", b'{"a": 1}')

    assert shop("check", "--job", JOB, "--run", "r", "--resource", first).code == 0
    assert shop("check", "--job", JOB, "--run", "r", "--resource", second).code == 1


@pytest.mark.parametrize("option", ["--resource", "--container", "--resource-group"])
def test_a_signature_is_refused_and_not_repeated(option: str, shop: Shop, mine: Blobs) -> None:
    ran = shop("record", "--job", JOB, option, f"{mine.url}/a.json?sv=2024-11-04&sig={SIGNATURE}")

    assert ran.code == 3
    assert SIGNATURE not in ran.out + ran.err
    assert "never needed" in ran.err


@pytest.mark.parametrize("end", [",sig=", "/x,sig=", "/x%2Csig%3D", "/x%252526sig%25253D"])
def test_a_signature_that_is_hidden_in_a_name_is_not_repeated_either(end: str, shop: Shop, mine: Blobs) -> None:
    ran = shop("record", "--job", JOB, "--container", f"{mine.url}{end}{SIGNATURE}")

    assert ran.code == 3
    assert SIGNATURE not in ran.out + ran.err


def test_a_container_that_is_not_there_records_nothing(shop: Shop) -> None:
    ran = shop("record", "--job", JOB, "--container", f"{HOST}/not-there-at-all")

    assert ran.code == 2
    assert "404 ContainerNotFound" in ran.err


def test_a_wrong_connection_string_is_told_without_a_part_of_it(shop: Shop, mine: Blobs) -> None:
    wrong = {"DRIFTGUARD_BLOB_CONNECTION": f"AccountKey={KEY}"}
    ran = shop("record", "--job", JOB, "--container", mine.url, environ=wrong)

    assert ran.code == 3
    assert "DRIFTGUARD_BLOB_CONNECTION" in ran.err and KEY not in ran.err


def test_doctor_says_that_a_container_cannot_be_read(shop: Shop, mine: Blobs, azurite: Azurite) -> None:
    shop("record", "--job", JOB, "--resource", mine.put("a.json", b"{}"))
    other = azurite.connection.replace("AccountKey=E", "AccountKey=F")
    ran = shop("doctor", environ={"DRIFTGUARD_BLOB_CONNECTION": other})

    assert ran.code != 0
    assert "could not be read: 403" in ran.out + ran.err


def test_a_container_is_onboarded_with_the_command_that_records_it(shop: Shop, mine: Blobs) -> None:
    mine.put("settings.json", b"{}")
    ran = shop("onboard", "--job", JOB, "--container", mine.url, "--watch", "0")

    assert ran.code == 0, ran.err
    assert f"--container {mine.url}" in ran.out


def test_a_container_that_is_gone_is_one_finding_and_explained_blob_by_blob(shop: Shop, mine: Blobs) -> None:
    first, second = mine.put("first.json", b"{}"), mine.put("second.json", b"{}")
    shop("record", "--job", JOB, "--resource", first, "--resource", second)
    mine.container.delete_container()
    checked = shop("check", "--job", JOB, "--run", "r")

    assert checked.code == 1
    assert "the container is gone, and with it 2 recorded resources" in checked.out + checked.err
    assert "its container is gone" in shop("explain", "--job", JOB, "first.json").out
