"""`driftguard deliveries`: the notes that wait, and why; with `--all` also where the others stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.sandbox import SUBSCRIPTION
from tests.entry.cli_shop import Shop, cli_shop

VNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network/virtualNetworks/vnet-shop"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop with a recorded network, in which somebody changed a tag."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "shop", "--resource", VNET).code == 0
        made.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
        yield made


def test_before_any_halt_there_is_no_note(shop: Shop) -> None:
    assert shop("deliveries").out == "No notes are due.\n"
    assert shop("deliveries", "--all").out == "No notes.\n"


def test_a_note_that_stands_is_listed_with_all_of_them(shop: Shop) -> None:
    assert shop("check", "--job", "shop", "--run", "1", "--ticket", "CHG1").code == 1
    assert shop("deliveries").out == "No notes are due.\n"
    told = shop("deliveries", "--all", "--job", "shop", "--json").json()["deliveries"]
    assert {one["state"] for one in told} == {"delivered"}
    [where] = [one["where"] for one in told if one["target"] == "file"]
    assert Path(where).exists()
    assert where in shop("deliveries", "--all").out


def test_a_note_that_waits_says_why_and_listing_it_sends_nothing(shop: Shop) -> None:
    (shop.folder / "tickets").write_text("not a folder")
    assert shop("check", "--job", "shop", "--run", "1", "--ticket", "CHG1").code == 1
    before = shop.written()
    ran = shop("deliveries")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == ["HALT", "JOB", "EVENT", "TARGET", "STATE", "WHERE"]
    assert "due" in ran.out and "next try" in ran.out
    assert shop.written() == before
