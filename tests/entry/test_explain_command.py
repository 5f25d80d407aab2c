"""`driftguard explain`: what decided, in the text and in the view."""

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


def test_the_view_has_its_members(shop: Shop) -> None:
    told = shop("explain", "--job", "shop", VNET, "--json").json()
    assert set(told) == {
        "job", "resource", "type", "finding", "action", "reason", "severity", "detail", "author", "recorded", "compared", "paths",
        "normalised", "not_in_body", "policy", "exit_code",
    }  # fmt: skip
    assert [set(one) for one in told["paths"]] == [{"path", "class", "rule", "reason", "owner", "note", "differs"}]
    assert {"path": "etag", "normalisation": "ETag"}.items() <= told["normalised"][0].items()
    assert all(set(one) == {"path", "normalisation", "reason"} for one in told["normalised"])


def test_the_text_tells_what_differs_and_what_is_equal_after_normalisation(shop: Shop) -> None:
    lines = shop("explain", "--job", "shop", VNET).out.splitlines()
    assert "  tags.by: configuration, differs; no rule vouches for it, so it counts" in lines
    assert [line for line in lines if line.startswith("  etag: equal after normalisation; ETag: it says that")]


def test_a_path_has_one_line_and_one_entry(shop: Shop) -> None:
    for path, said in {
        "etag": "equal after normalisation",
        "tags.by": "differs",
        "location": "does not differ now",
    }.items():
        told = shop("explain", "--job", "shop", VNET, path, "--json").json()
        assert ([one["path"] for one in told["paths"]], told["normalised"]) == ([path], [])
        [line] = [
            line for line in shop("explain", "--job", "shop", VNET, path).out.splitlines() if f"  {path}: " in line
        ]
        assert said in line


def test_many_normalisations_are_cut_in_the_text_and_whole_in_the_view(shop: Shop) -> None:
    subnets = [{"name": f"s{n}", "properties": {"addressPrefix": f"10.20.{100 + n}.0/24"}} for n in range(30)]
    shop.sandbox.patch(VNET, {"properties": {"subnets": subnets}}, as_="person-portal")
    assert shop("record", "--job", "many", "--resource", VNET).code == 0
    shop.sandbox.patch(VNET, {"tags": {"by": "somebody"}}, as_="person-portal")
    ran = shop("explain", "--job", "many", VNET)
    assert ran.out.count("equal after normalisation; ") == 20
    assert "  … and 11 more are equal after normalisation: see --json" in ran.out
    assert len(shop("explain", "--job", "many", VNET, "--json").json()["normalised"]) == 31


def test_what_could_not_be_read_is_told_as_not_compared(shop: Shop) -> None:
    shop.sandbox.fault(VNET, "403")
    ran = shop("explain", "--job", "shop", VNET, "tags.by")
    assert ran.code == 2 and "does not differ" not in ran.out and "neither body" not in ran.out
    assert "  tags.by: not compared, a difference would be configuration; " in ran.out
    assert "  not compared: there is no live body" in ran.out
    told = shop("explain", "--job", "shop", VNET, "tags.by", "--json").json()
    assert (told["compared"], [one["differs"] for one in told["paths"]]) == (False, [None])
    assert "\n  etag: not compared; ETag" in shop("explain", "--job", "shop", VNET, "etag").out


def test_what_is_no_path_is_wrong_use(shop: Shop) -> None:
    ran = shop("explain", "--job", "shop", VNET, "tags.cost center")
    assert ran.code == 3 and ran.err.count("is not a path") == 1 and "tags['cost center']" in ran.err
