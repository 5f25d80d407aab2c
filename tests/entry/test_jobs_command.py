"""`driftguard jobs`: a change may name the version of the job that it was decided on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftguard.sandbox import SUBSCRIPTION
from tests.entry.cli_shop import Shop, cli_shop

NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network"
VNET, NSG = f"{NETWORK}/virtualNetworks/vnet-shop", f"{NETWORK}/networkSecurityGroups/nsg-web"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop whose job has recorded two resources."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "shop", "--resource", VNET, "--resource", NSG).code == 0
        yield made


def updating(shop: Shop) -> tuple[str, ...]:
    assert shop("check", "--job", "shop", "--run", "1").code == 0
    return ("release", "shop")


def idle(shop: Shop) -> tuple[str, ...]:
    return ("retire", "shop", "--resource", NSG)


def two_jobs(shop: Shop) -> tuple[str, ...]:
    return ("move", "shop", "--to", "web", "--resource", NSG)


def proposed(shop: Shop) -> tuple[str, ...]:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    made = shop("record", "--job", "shop", "--run", "8", "--json").json()
    return ("accept", "shop", str(made["proposal"]))


def under_hold(shop: Shop) -> tuple[str, ...]:
    assert shop("jobs", "hold", "shop", "--reason", "case 7", "--as", "dana").code == 0
    return ("unhold", "shop")


CHANGES: dict[str, Callable[[Shop], tuple[str, ...]]] = {
    "release": updating,
    "retire": idle,
    "move": two_jobs,
    "accept": proposed,
    "hold": lambda shop: ("hold", "shop"),
    "unhold": under_hold,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_names_an_old_version_is_refused_and_one_that_names_the_present_is_made(
    shop: Shop, change: str
) -> None:
    words = ("jobs", *CHANGES[change](shop), "--reason", "x", "--as", "dana")
    version = shop("jobs", "show", "shop", "--json").json()["version"]
    before = shop.written()
    ran = shop(*words, "--if-match", version + "0", "--json")
    assert (ran.code, ran.json()["problem"]) == (3, "stale")
    assert "changed since you saw it" in ran.err
    assert shop.written() == before
    assert shop(*words, "--if-match", version).code == 0
    assert shop("jobs", "show", "shop", "--json").json()["version"] != version


def test_the_mode_of_a_job_is_told_by_the_policy_of_now(shop: Shop) -> None:
    assert shop("jobs", "show", "shop", "--json").json()["mode"] == "enforce"
    assert "observe" not in shop("jobs", "list").out
    policy = shop.folder / "policy.yaml"
    policy.write_text(policy.read_text() + 'jobs: [{match: "*", mode: observe}]\n')
    assert shop("jobs", "show", "shop", "--json").json()["mode"] == "observe"
    assert shop("jobs", "show", "shop").out.startswith("Job shop: ready; observe mode: nothing is stopped\n")
    assert "ready; observe mode: nothing is stopped" in shop("jobs", "list").out
    policy.write_text("version: 9\n")
    ran = shop("jobs", "show", "shop", "--json")
    assert (ran.code, ran.json()["mode"]) == (0, None)


def test_a_job_under_hold_is_told_in_the_list_and_with_who_and_why_in_the_job(shop: Shop) -> None:
    assert shop("jobs", "hold", "shop", "--reason", "case 7", "--as", "dana").code == 0
    assert "ready; under legal hold" in shop("jobs", "list").out
    shown = shop("jobs", "show", "shop").out
    assert "legal hold: since " in shown and ", by dana: case 7" in shown
    held = shop("jobs", "show", "shop", "--json").json()["hold"]
    assert (held["by"], held["reason"], sorted(held)) == ("dana", "case 7", ["at", "by", "reason"])
    again = shop("jobs", "hold", "shop", "--reason", "x", "--as", "erin")
    assert again.code == 3 and "under legal hold since" in again.err
    assert shop("jobs", "unhold", "shop", "--reason", "closed", "--as", "erin").code == 0
    assert "legal hold" not in shop("jobs", "show", "shop").out
    assert shop("jobs", "show", "shop", "--json").json()["hold"] is None
