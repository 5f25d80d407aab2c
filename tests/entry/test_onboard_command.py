"""`driftguard onboard`, and docs/onboarding.md played as it stands."""

from __future__ import annotations

import io
import os
import re
import shlex
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftguard.system_clock import SystemClock
from tests.documents import fenced
from tests.entry.cli_shop import Ran, Shop, cli_shop
from tests.source_tree import ROOT
from tests.world import NETWORK, PROVIDERS, VNET

APP, GROUP = "aaaaaaaa-0001-4000-8000-000000000001", "11111111-2222-3333-4444-555555555555"
NAT = f"{PROVIDERS}/natGateways/nat-shop"
ONBOARD = ("onboard", "--job", "shop", "--resource", VNET, "--watch", "0")
Happening = Callable[[], object]


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with cli_shop(tmp_path, capsys) as made:
        yield made


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Happening]:
    """What happens while somebody waits; waiting takes no time."""
    left: list[Happening] = []

    def sleep(_: SystemClock, seconds: float) -> None:
        if seconds >= 10 and left:
            left.pop(0)()

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    return left


def policy_of(shop: Shop) -> Path:
    return shop.folder / "policy.yaml"


def new_policy(shop: Shop) -> dict[str, str]:
    """An environment that names a policy file that is not there."""
    return {"DRIFTGUARD_POLICY": str(shop.folder / "new.yaml")}


def test_it_writes_the_entry_and_tells_the_next_two_commands(shop: Shop) -> None:
    ran = shop(*ONBOARD, "--principal", APP, "--reviewer", GROUP, environ=new_policy(shop))
    assert ran.code == 0, ran.err
    assert (shop.folder / "new.yaml").read_text() == (
        'version: 1\njobs:\n  - match: "shop"\n    mode: observe\n'
        f'    principals: [{{app_id: "{APP}"}}]\n    reviewers: ["{GROUP}"]\n'
    )
    assert ran.out.endswith(
        f"Next:\n  driftguard record --job shop --resource {VNET}\n  driftguard check --job shop --gate\n"
    )
    assert not shop.store.exists()
    assert sorted(path.name for path in shop.folder.iterdir()) == ["new.yaml", "policy.yaml"]


def test_the_commands_that_it_tells_work_as_they_are_printed(shop: Shop) -> None:
    policy, store = str(shop.folder / "my policy.yaml"), str(shop.folder / "my store.db")
    ran = shop(
        "onboard",
        "--job",
        "shop",
        "--resource",
        VNET,
        "--resource",
        NAT,
        "--watch",
        "0s",
        "--policy",
        policy,
        "--store",
        store,
    )
    assert ran.code == 0
    record, check = ran.out.partition("Next:\n")[2].splitlines()
    assert shop(*shlex.split(record)[1:]).code == 0
    told = shop(*shlex.split(check)[1:], "--json").json()
    assert (told["exit_code"], told["verdict"], told["observed"]) == (0, "proceed", True)
    assert Path(store).exists() and not shop.store.exists()


def test_the_entry_goes_into_a_file_that_is_there(shop: Shop) -> None:
    before = policy_of(shop).read_text()
    assert shop(*ONBOARD).code == 0
    assert policy_of(shop).read_text() == before.replace(
        "version: 1\n", 'version: 1\njobs:\n  - match: "shop"\n    mode: observe\n'
    )


def test_a_second_time_the_entry_is_there_already(shop: Shop) -> None:
    assert shop(*ONBOARD).code == 0
    before = policy_of(shop).read_text()
    ran = shop(*ONBOARD)
    assert (ran.code, policy_of(shop).read_text()) == (0, before)
    assert f"the entry for 'shop' at {policy_of(shop)}:3 applies to the job already (mode: observe)" in ran.out


def test_without_a_policy_the_entry_is_shown_and_nothing_written(shop: Shop) -> None:
    del shop.environ["DRIFTGUARD_POLICY"]
    ran = shop(*ONBOARD)
    assert ran.code == 0
    assert (
        'Policy entry, not written:\n  - match: "shop"\n    mode: observe\n  no policy file is named: name a policy'
        in ran.out
    )
    assert sorted(path.name for path in shop.folder.iterdir()) == ["policy.yaml"]


def test_a_dry_run_writes_nothing(shop: Shop) -> None:
    before = shop.written()
    ran = shop(*ONBOARD, "--dry-run", "--json")
    assert (ran.code, ran.json()["entry"]["outcome"]) == (0, "to write")
    assert ran.json()["entry"]["where"] == f"{policy_of(shop)}:3"
    assert shop(*ONBOARD, "--dry-run", environ=new_policy(shop)).code == 0
    assert shop.written() == before


def test_a_file_of_an_odd_form_is_left_alone_with_exit_code_3(shop: Shop) -> None:
    policy_of(shop).write_text("{version: 1, jobs: []}")
    ran = shop(*ONBOARD)
    assert (ran.code, policy_of(shop).read_text()) == (3, "{version: 1, jobs: []}")
    assert '  - match: "shop"' in ran.out and "paste the entry by hand" in ran.out


def test_a_job_that_is_enforced_today_is_not_taken_out_of_it(shop: Shop) -> None:
    assert shop("record", "--job", "shop", "--resource", VNET).code == 0
    before = policy_of(shop).read_text()
    ran = shop(*ONBOARD)
    assert (ran.code, policy_of(shop).read_text()) == (0, before)
    assert "its runs are stopped: the entry would stop that" in ran.out
    assert "driftguard record" not in ran.out


ENFORCED = 'version: 1\njobs:\n  - match: "*"\n    mode: enforce\n'


@pytest.mark.parametrize("mode", ["", "    mode: enforce\n"])
def test_an_enforced_job_stays_enforced_where_no_store_tells_whether_it_is_recorded(shop: Shop, mode: str) -> None:
    before = f'version: 1\njobs:\n  - match: "*"\n{mode}    settle: 0s\n'
    policy_of(shop).write_text(before)
    ran = shop(*ONBOARD)
    assert (ran.code, policy_of(shop).read_text()) == (3, before)
    assert f"the entry for '*' at {policy_of(shop)}:3 enforces the job shop today" in ran.out
    assert f"is not there ({shop.store})" in ran.out and "--store or DRIFTGUARD_STORE" in ran.out
    assert '  - match: "shop"\n    mode: observe\n' in ran.out
    assert shop(*ONBOARD, "--dry-run").code == 3


def test_an_enforced_job_stays_enforced_where_the_store_cannot_be_read(shop: Shop) -> None:
    policy_of(shop).write_text(ENFORCED)
    shop.store.write_text("no database")
    ran = shop(*ONBOARD)
    assert (ran.code, policy_of(shop).read_text(), shop.store.read_text()) == (3, ENFORCED, "no database")
    assert "the store cannot be read, so the job shop may be guarded already" in ran.out


def test_a_job_that_the_store_does_not_know_gets_its_entry_before_the_one_for_everybody(shop: Shop) -> None:
    assert shop("record", "--job", "other", "--resource", VNET).code == 0
    policy_of(shop).write_text(ENFORCED)
    assert shop(*ONBOARD).code == 0
    assert policy_of(shop).read_text() == ENFORCED.replace("jobs:\n", 'jobs:\n  - match: "shop"\n    mode: observe\n')


def test_without_a_store_it_is_told_that_a_guarded_job_would_leave_enforcement(shop: Shop) -> None:
    ran = shop(*ONBOARD)
    assert (ran.code, "mode: observe" in policy_of(shop).read_text()) == (0, True)
    assert f"the store {shop.store} is not there" in ran.out and "takes it out of enforcement" in ran.out


@pytest.mark.parametrize("text", ["", "# ours\n", "version: 1\njobs:\n", "jobs: null  # none yet\nversion: 1\n"])
def test_a_policy_file_that_is_only_begun_is_finished(shop: Shop, text: str) -> None:
    policy_of(shop).write_text(text)
    assert shop(*ONBOARD).code == 0
    assert shop("policy", "check", str(policy_of(shop))).code == 0
    assert 'match: "shop"' in policy_of(shop).read_text()


def test_a_pipe_is_no_policy_file_and_is_not_waited_for(shop: Shop) -> None:
    pipe = shop.folder / "pipe.yaml"
    os.mkfifo(pipe)
    ran = shop(*ONBOARD, "--policy", str(pipe))
    assert (ran.code, ran.out) == (3, "") and "is no plain file" in ran.err


def test_a_scope_that_cannot_be_listed_is_reported_with_exit_code_2(shop: Shop) -> None:
    shop.sandbox.fault(f"{NETWORK}/resources", "403")
    ran = shop(*ONBOARD, "--resource-group", NETWORK)
    assert ran.code == 2
    assert "1 read twice" in ran.out and f"Could not be listed:\n  {NETWORK}: forbidden; " in ran.out


def piped_in(text: str) -> io.TextIOWrapper:
    stream = io.BytesIO(text.encode())
    stream.name = "<stdin>"  # as the real one has it
    return io.TextIOWrapper(stream, encoding="utf-8")


def test_piped_ids_are_named_one_by_one_in_the_next_commands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = ("onboard", "--job", "shop", "--ids-file", "-", "--watch", "0")
    monkeypatch.setattr("sys.stdin", piped_in(f"{VNET}\n{NAT}\n"))
    ran = shop(*piped)
    assert f"driftguard record --job shop --resource {VNET} --resource {NAT}\n" in ran.out
    many = "".join(f"{VNET}/subnets/s{number}\n" for number in range(21))
    monkeypatch.setattr("sys.stdin", piped_in(many))
    ran = shop(*piped)
    assert "driftguard record --job shop --ids-file ids.txt\n" in ran.out
    assert "save them as ids.txt for the next commands" in ran.out


def test_an_existing_store_is_only_read(shop: Shop) -> None:
    assert shop("record", "--job", "network", "--resource", VNET).code == 0
    before = shop.written()["store"]
    ran = shop(*ONBOARD)
    assert "Guarded by another job already:\n  vnet-shop: network" in ran.out
    assert shop.written()["store"] == before
    shop.store.with_name("store.db.key").unlink()
    assert shop(*ONBOARD).code == 0, "no key of the store is asked for"
    assert not shop.store.with_name("store.db.key").exists()


def test_inside_ci_no_lasting_store_is_needed(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    del shop.environ["DRIFTGUARD_STORE"]
    assert shop(*ONBOARD, environ={"CI": "true"}).code == 0
    assert not (tmp_path / ".driftguard").exists()


def test_what_could_not_be_read_is_exit_code_2_and_the_entry_is_written(shop: Shop) -> None:
    shop.sandbox.fault(NAT, "403")
    ran = shop(*ONBOARD, "--resource", NAT, environ=new_policy(shop))
    assert ran.code == 2
    assert "Could not be read:\n  nat-shop: forbidden; " in ran.out and "natGateways/read" in ran.out
    assert (shop.folder / "new.yaml").exists()


def test_flapping_is_told_and_the_rule_that_it_shows_ends_it(shop: Shop, meanwhile: list[Happening]) -> None:
    servers = iter(["10.0.0.1", "10.0.0.2"])
    flap = lambda: shop.sandbox.platform(VNET, {"properties.dhcpOptions.dnsServers": [next(servers)]})  # noqa: E731  # reason: said once, used twice
    meanwhile.append(flap)
    arguments = ("onboard", "--job", "shop", "--resource", VNET)
    told = shop(*arguments, "--json").json()
    assert (told["watch"], told["verdict"]) == (60.0, "halt")
    [rule] = told["rules"]
    policy_of(shop).write_text(policy_of(shop).read_text() + f"rules:\n{rule['text']}\n")
    assert shop("policy", "check", str(policy_of(shop))).code == 0
    meanwhile.append(flap)
    told = shop(*arguments, "--json").json()
    assert (told["verdict"], [one["counts"] for one in told["differing"]]) == ("proceed", [False])


def test_the_view_has_its_members(shop: Shop) -> None:
    assert set(shop(*ONBOARD, "--json").json()) == {
        "job", "watch", "read", "verdict", "differing", "in_flight", "unreadable", "not_there", "beside", "on_unmanaged",
        "guarded_by", "not_in_body", "without_table", "rules", "generation", "policy", "told", "entry", "next", "exit_code",
        "not_listed", "log_latency",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("onboard", "--job", "shop"), "nothing is named"),
        (("onboard", "--job", "a b", "--resource", VNET), "name of a job"),
        (("onboard", "--job", "shop", "--resource", "vnet"), "not a resource id"),
        ((*ONBOARD, "--principal", "the pipeline"), "no id of an application"),
        ((*ONBOARD, "--watch", "soon"), "--watch 'soon'"),
        ((*ONBOARD, "--watch", "2h"), "--watch '2h'"),
        ((*ONBOARD, "--ids-file", "none.txt"), "none.txt"),
        ((*ONBOARD, "--server", "https://guard.contoso.com"), "onboard"),
        ((*ONBOARD, "--policy", "none/policy.yaml"), "its folder does not exist"),
    ],
)
def test_a_wrong_call_writes_nothing_and_is_exit_code_3(shop: Shop, arguments: tuple[str, ...], said: str) -> None:
    before = shop.written()
    ran = shop(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert said in ran.err and ran.err.count("\n") == 1
    assert shop.written() == before


def test_ids_come_from_a_file_and_are_named_again_by_it(shop: Shop) -> None:
    ids = shop.folder / "ids.txt"
    ids.write_text(f"# what we own\n{VNET}\n\n{NAT}\n")
    ran = shop("onboard", "--job", "shop", "--ids-file", str(ids), "--watch", "0")
    assert "2 read twice" in ran.out and f"driftguard record --job shop --ids-file {ids}\n" in ran.out


def test_the_page_on_onboarding_works_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, meanwhile: list[Happening]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/onboarding.md").read_text(encoding="utf-8")
    lines = [line for kind, block in fenced(page) if kind == "sh" for line in block.splitlines()]
    with cli_shop(tmp_path, capsys) as shop:
        environ = {"GROUP": NETWORK, "APP_ID": APP}
        ran: list[Ran] = []
        for line in lines:
            words = shlex.split(string.Template(line).substitute(environ))
            if words[0] == "export":
                environ |= dict([words[1].split("=", 1)])
                continue
            assert words[0] == "driftguard"
            if len(ran) == 3:
                shop.sandbox.patch(VNET, {"tags": {"cost": "42"}}, as_="person-portal")
            ran.append(shop(*words[1:], environ=environ))
    told, recorded, first, second = ran
    assert [one.code for one in ran] == [0, 0, 0, 0]
    expected = [block for kind, block in fenced(page) if not kind]
    assert_printed(expected[0], told.out)
    assert recorded.out.startswith("RECORDED") and first.out.startswith("PROCEED")
    assert_printed(expected[1], second.out)
    assert not (tmp_path / "guard/tickets").exists()


def assert_printed(expected: str, printed: str) -> None:
    """Every line of a block of the page was printed, in this order; `…` stands for anything."""
    lines = iter(printed.splitlines())
    for wanted in expected.splitlines():
        pattern = re.escape(wanted).replace("…", ".*")
        assert wanted in ("", "…") or any(re.fullmatch(pattern, line) for line in lines), f"not printed: {wanted}"
