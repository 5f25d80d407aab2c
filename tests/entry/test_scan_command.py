"""`driftguard scan`: every job is judged as a gate does, and nothing is let through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.sandbox import SUBSCRIPTION
from tests.entry.cli_shop import Shop, cli_shop

NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network"
VNET, NSG = f"{NETWORK}/virtualNetworks/vnet-shop", f"{NETWORK}/networkSecurityGroups/nsg-web"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop with two jobs."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "nets", "--resource", VNET).code == 0
        assert made("record", "--job", "rules", "--resource", NSG).code == 0
        yield made


def test_where_nothing_changed_every_job_proceeds_and_none_gets_a_lease(shop: Shop) -> None:
    ran = shop("scan")
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines()[1:3]] == [["nets", "proceed"], ["rules", "proceed"]]
    assert ran.out.splitlines()[-1] == "2 proceed"
    assert shop("jobs", "show", "nets", "--json").json()["lease"] is None


def test_drift_halts_its_job_and_the_exit_code_says_so(shop: Shop) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    ran = shop("scan", "--json")
    assert (ran.code, ran.json()["exit_code"]) == (1, 1)
    told = {job["job"]: job for job in ran.json()["jobs"]}
    assert {name: job["verdict"] for name, job in told.items()} == {"nets": "halt", "rules": "proceed"}
    [halt] = shop("halts", "list", "--json").json()["halts"]
    assert halt["id"] == told["nets"]["halt"]
    assert set(ran.json()) == {"scan", "jobs", "notes_waiting", "swept", "exit_code"}


def test_only_the_named_jobs_are_judged(shop: Shop) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    ran = shop("scan", "--job", "rules", "--json")
    assert (ran.code, [job["job"] for job in ran.json()["jobs"]]) == (0, ["rules"])


def test_a_named_job_that_is_retired_is_told_and_is_not_judged(shop: Shop) -> None:
    retired = shop("jobs", "retire", "nets", "--as", "dana@contoso.com", "--reason", "it is gone")
    assert retired.code == 0
    assert [row["job"] for row in shop("scan", "--json").json()["jobs"]] == ["rules"]
    named = shop("scan", "--job", "nets", "--job", "rules", "--json")
    [nets, rules] = named.json()["jobs"]
    assert (nets["job"], nets["verdict"], rules["verdict"]) == ("nets", "cannot tell", "proceed")
    assert "is retired" in nets["why"] and named.code == 2


def test_what_cannot_be_read_is_two_and_the_other_jobs_are_judged(shop: Shop) -> None:
    shop.sandbox.fault(VNET, "403")
    ran = shop("scan")
    assert ran.code == 2
    assert "1 cannot tell, 1 proceed" in ran.out


def test_a_job_that_a_run_is_updating_is_left_alone(shop: Shop) -> None:
    assert shop("check", "--job", "nets", "--run", "1").code == 0
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    ran = shop("scan")
    assert ran.code == 0 and "1 busy, 1 proceed" in ran.out
    assert shop("halts", "list").out == "No halts.\n"


def test_a_job_that_is_observed_tells_what_was_found_of_it(shop: Shop) -> None:
    policy = shop.folder / "policy.yaml"
    policy.write_text(policy.read_text() + 'jobs: [{match: "*", mode: observe}]\n')
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    told = {job["job"]: job for job in shop("scan", "--json").json()["jobs"]}
    [finding] = told["nets"]["findings"]
    assert (told["nets"]["verdict"], told["nets"]["observed"], told["nets"]["findings_left"]) == ("halt", True, 0)
    assert (finding["resource"], finding["changes"][0]["path"]) == (VNET, "tags.by")
    assert (told["rules"]["findings"], told["rules"]["findings_left"]) == ([], 0)
    ran = shop("scan")
    assert 'nets:\n  vnet-shop: tags.by: (none) -> "hand", by rob@contoso.com\n' in ran.out
