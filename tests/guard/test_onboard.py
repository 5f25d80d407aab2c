"""Onboard: what a first check would report, with nothing recorded, opened or sealed by a lasting key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from driftguard.adapters.stores.first_use import KeysAtFirstUse, StoreAtFirstUse
from driftguard.errors import CannotTell, NotFound, WrongUse
from driftguard.flow.attribute import Principal
from driftguard.flow.check import FindingKind
from driftguard.flow.decide import Action, Verdict
from driftguard.flow.path import format_path
from driftguard.guard.onboard import Onboarded, Onboarding, onboard
from driftguard.guard.recorded import Naming
from driftguard.guard.two_looks import Differing, NothingWritten, PassingKey
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.render.onboard import onboard_text, onboard_view
from tests.entry.cli_shop import contents
from tests.scenarios.steps import GROUP, NAT, ROBS_DNS, job_row, story
from tests.world import JOB, NETWORK, PROVIDERS, VNET, World

KEY = bytes(range(32))
BOTH = Naming(resources=(VNET, NAT))
PIPELINE = Principal(app_id="aaaaaaaa-0001-4000-8000-000000000001")
ENTRY = {"outcome": "no file named", "text": "", "where": None, "why": None, "remedy": None}
ODD = 'it\'s "odd": [yes]'
NSG = f"{PROVIDERS}/networkSecurityGroups/nsg-web"


class Meanwhile:
    """A clock that lets something happen in each long sleep: while nobody looks."""

    def __init__(self, shop: World, *happenings: Callable[[], object], late_log: bool = False) -> None:
        self._shop, self._late_log = shop, late_log
        self._clock = shop.guard.clock
        self._left = list(happenings)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._late_log and seconds == 1200:
            self._shop.advance(seconds=1200)
        elif seconds >= 1 and self._left:
            self._left.pop(0)()
        self._clock.sleep(seconds)


def looked(shop: World, naming: Naming = BOTH, *happenings: Callable[[], object], job: str = JOB) -> Onboarded:
    guard = replace(shop.guard, clock=Meanwhile(shop, *happenings))
    return onboard(guard, Onboarding(job, naming, principals=(PIPELINE,)), KEY)


def dns(shop: World, server: str) -> Callable[[], None]:
    """Azure itself writes another DNS server."""
    return lambda: shop.sandbox.platform(VNET, {"properties.dhcpOptions.dnsServers": [server]})


def text_of(told: Onboarded) -> str:
    return onboard_text(onboard_view(told, ENTRY, (), told.exit_code))


def counting(told: Onboarded) -> Differing:
    [one] = [one for one in told.looks.differing if one.counts]
    return one


def test_what_stands_still_is_told_as_such(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        told = looked(shop)
        assert (told.looks.read, told.looks.differing, told.looks.silent) == (2, (), ())
        assert (told.looks.verdict, told.exit_code) == (Verdict.PROCEED, 0)
        assert "Nothing differed" in text_of(told)


def test_nothing_is_written_to_a_store_and_no_store_is_begun(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        before = contents(tmp_path / "store.db")
        looked(shop, GROUP, dns(shop, "10.0.0.1"))
        assert contents(tmp_path / "store.db") == before
        later = StoreAtFirstUse(tmp_path / "other.db", may_begin=True)
        sealer = KeysAtFirstUse(later, tmp_path / "other.db.key", lambda count: bytes(count))
        data = Naming(scopes=(NETWORK.replace("rg-shop-network", "rg-shop-data"),))
        told = onboard(replace(shop.guard, store=later, sealer=sealer), Onboarding(JOB, data, 0), KEY)
        assert told.looks.read > 2
        assert not list(tmp_path.glob("other.db*"))
        later.close()


def test_what_changes_by_itself_is_told_with_path_before_and_after_and_the_rule_that_would_ignore_it(
    tmp_path: Path,
) -> None:
    with story(tmp_path) as shop:
        told = looked(shop, BOTH, dns(shop, "10.0.0.1"))
        one = counting(told)
        [change] = one.changes
        assert (one.ref.id, format_path(change.path)) == (VNET, "properties.dhcpOptions.dnsServers[0]")
        assert (change.before, change.after) == ("10.20.0.10", "10.0.0.1")
        assert (one.judged.action, told.looks.verdict) == (Action.HALT, Verdict.HALT)
        assert 'dnsServers[0]: "10.20.0.10" -> "10.0.0.1"' in text_of(told)


def test_the_rule_that_is_offered_ignores_the_difference_once_it_is_pasted(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        tags = dict((shop.sandbox.get(VNET) or {})["tags"])

        def odd(value: str = "2") -> None:
            shop.sandbox.platform(VNET, {"tags": {**tags, ODD: value}})

        odd("1")
        view = onboard_view(looked(shop, BOTH, odd), ENTRY, (), 0)
        [rule] = view["rules"]
        path = tmp_path / "policy.yaml"
        path.write_text(f"version: 1\nrules:\n{rule['text']}\n")
        policy = load_policy(path, folder=policies_folder())
        shop.guard = replace(shop.guard, policy=lambda: policy)
        odd("1")
        told = looked(shop, BOTH, odd)
        assert (told.looks.verdict, [one.counts for one in told.looks.differing]) == (Verdict.PROCEED, [False])


def test_a_difference_that_the_tables_or_rules_pass_over_is_told_with_what_said_so(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        told = looked(
            shop,
            BOTH,
            lambda: shop.sandbox.platform(VNET, {"properties.subnets[0].properties.purpose": "PrivateEndpoints"}),
        )
        [one] = told.looks.differing
        assert (one.counts, told.looks.verdict) == (False, Verdict.PROCEED)
        view = onboard_view(told, ENTRY, (), 0)
        assert view["rules"] == []
        assert "Differed, and counts for nothing:" in text_of(told)
        assert view["differing"][0]["changes"][0]["rule"]


def test_what_a_person_changes_meanwhile_is_told_with_who_and_no_rule_is_offered_for_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        properties = {"dhcpOptions": {"dnsServers": [ROBS_DNS]}}

        def rob() -> None:
            shop.advance(seconds=2)
            shop.sandbox.patch(VNET, {"properties": properties}, as_="person-portal")

        told = looked(shop, BOTH, rob)
        view = onboard_view(told, ENTRY, (), 0)
        assert view["differing"][0]["attribution"]["who"] == "rob@contoso.com"
        assert view["rules"] == []
        assert "by rob@contoso.com" in text_of(told)


def test_no_rule_is_offered_before_the_log_has_told_who_wrote(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        told = looked(shop, BOTH, dns(shop, "10.0.0.1"))
        view = onboard_view(told, ENTRY, (), 0)
        assert (view["rules"], view["differing"][0]["authors_known"]) == ([], False)
        text = text_of(told)
        assert (
            "Not attributed yet, so no rule is offered:\n  vnet-shop: no event yet; activity-log may still tell" in text
        )
        assert "The Activity Log is up to 20 minutes late: look again with --wait-for-authors" in text


@pytest.mark.parametrize("by_hand", [False, True])
def test_who_waits_for_the_log_is_offered_a_rule_only_where_no_person_wrote(tmp_path: Path, by_hand: bool) -> None:
    with story(tmp_path, log_latency=1200) as shop:

        def changed() -> None:
            shop.advance(seconds=2)
            if by_hand:
                shop.sandbox.patch(
                    VNET, {"properties": {"dhcpOptions": {"dnsServers": [ROBS_DNS]}}}, as_="person-portal"
                )
            else:
                dns(shop, "10.0.0.1")()

        late = Meanwhile(shop, changed, late_log=True)
        call = Onboarding(JOB, BOTH, principals=(PIPELINE,), wait_for_authors=True)
        told = onboard(replace(shop.guard, clock=late), call, KEY)
        view = onboard_view(told, ENTRY, (), 0)
        assert (len(view["rules"]), view["differing"][0]["authors_known"]) == (0 if by_hand else 1, True)
        assert ("by rob@contoso.com" in text_of(told)) is by_hand
        assert 1200 in late.slept


def test_nobody_waits_for_the_log_where_nothing_differs(tmp_path: Path) -> None:
    with story(tmp_path, log_latency=1200) as shop:
        still = Meanwhile(shop)
        onboard(replace(shop.guard, clock=still), Onboarding(JOB, BOTH, wait_for_authors=True), KEY)
        assert 1200 not in still.slept


def test_no_rule_is_offered_where_no_source_tells_who_wrote(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.guard = replace(shop.guard, sources=())
        told = looked(shop, BOTH, dns(shop, "10.0.0.1"))
        assert onboard_view(told, ENTRY, (), 0)["rules"] == []
        assert "vnet-shop: no source of attribution is set up" in text_of(told)


def test_what_settles_back_is_told_and_would_stop_no_run(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        reads = iter(["10.0.0.1"])
        guard = replace(shop.guard, clock=Meanwhile(shop, dns(shop, next(reads)), dns(shop, "10.20.0.10")))
        told = onboard(guard, Onboarding(JOB, BOTH, principals=(PIPELINE,)), KEY)
        one = counting(told)
        assert one.judged.finding.kind is FindingKind.TOUCHED
        assert told.looks.verdict is Verdict.PROCEED
        assert "lets a run go on" in text_of(told)


def test_what_never_agrees_with_itself_is_told_with_its_paths(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        told = looked(shop, BOTH, *(dns(shop, f"10.0.0.{number}") for number in range(1, 30)))
        one = counting(told)
        assert (one.judged.finding.kind, told.looks.verdict) == (FindingKind.IN_FLIGHT, Verdict.CANNOT_TELL)
        assert [format_path(change.path) for change in one.changes] == ["properties.dhcpOptions.dnsServers[0]"]


def test_what_is_not_settled_is_told_apart_from_what_cannot_be_read(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.touch(VNET, "Updating")
        shop.sandbox.fault(NAT, "403")
        told = looked(shop, Naming(resources=(VNET, NAT, NSG)))
        view = onboard_view(told, ENTRY, (), told.exit_code)
        assert [one["resource"] for one in view["in_flight"]] == [VNET]
        [unread] = view["unreadable"]
        assert (unread["resource"], unread["cause"]) == (NAT, "forbidden")
        assert "Microsoft.Network/natGateways/read" in unread["remedy"]
        assert (told.exit_code, told.looks.verdict, told.looks.read) == (2, Verdict.CANNOT_TELL, 1)


def test_what_could_be_read_at_the_second_look_is_not_told_as_unreadable(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.fault(NAT, "403")
        told = looked(shop, BOTH, shop.sandbox.clear_faults)
        assert (told.looks.silent, told.exit_code) == ((), 0)


def test_what_is_named_and_not_there_is_told(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        told = looked(shop, Naming(resources=(VNET, NAT + "2")))
        assert [one["resource"] for one in onboard_view(told, ENTRY, (), 0)["not_there"]] == [NAT + "2"]
        assert "Not there:\n  nat-shop2: " in text_of(told)


def test_a_resource_that_goes_meanwhile_would_halt(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        pip = f"{PROVIDERS}/publicIPAddresses/pip-jump"
        told = looked(shop, Naming(resources=(VNET, pip)), lambda: shop.sandbox.delete(pip, as_="person-portal"))
        one = counting(told)
        assert (one.judged.finding.kind, one.changes) == (FindingKind.GONE, ())
        assert told.looks.verdict is Verdict.HALT
        assert onboard_view(told, ENTRY, (), 0)["rules"] == []


def test_what_stands_beside_the_named_resources_is_listed_unless_the_group_is_named(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        [beside] = looked(shop).beside
        assert beside.scope.id == NETWORK
        assert NSG in [ref.id for ref in beside.strangers]
        assert not {VNET, NAT} & {ref.id for ref in beside.strangers}
        assert looked(shop, GROUP).beside == ()


def test_a_group_that_cannot_be_listed_whole_is_told(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.fault(f"{NETWORK}/resources", "403")
        told = looked(shop)
        assert [one.complete for one in told.beside] == [False]
        assert told.exit_code == 2
        assert "could not be listed whole" in text_of(told)


def test_a_named_scope_that_cannot_be_listed_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.fault(f"{NETWORK}/resources", "403")
        elsewhere = NETWORK.replace("rg-shop-network", "rg-nowhere")
        told = looked(shop, Naming(resources=(VNET,), scopes=(NETWORK, elsewhere)))
        view = onboard_view(told, ENTRY, (), told.exit_code)
        forbidden, missing = view["not_listed"]
        assert (forbidden["scope"], forbidden["cause"]) == (NETWORK, "forbidden")
        assert "Reader" in forbidden["remedy"]
        assert missing["scope"] == elsewhere and "correct the id" in missing["remedy"]
        assert (view["read"], view["verdict"], told.exit_code) == (1, "cannot tell", 2)
        assert f"Could not be listed:\n  {NETWORK}: forbidden; " in text_of(told)


def test_where_nothing_was_read_twice_nothing_is_said_to_be_the_same(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.sandbox.fault(f"{NETWORK}/resources", "403")
        told = looked(shop, GROUP)
        assert (told.looks.read, told.exit_code) == (0, 2)
        assert "0 read twice" in text_of(told) and "Nothing differed" not in text_of(told)
        shop.sandbox.clear_faults()
        shop.sandbox.fault(VNET, "403")
        told = looked(shop, Naming(resources=(VNET,)))
        assert told.looks.read == 0 and "Nothing differed" not in text_of(told)


def test_a_store_that_cannot_be_read_is_told_and_the_resources_are_looked_at(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        broken = tmp_path / "broken.db"
        broken.write_text("no database")
        later = StoreAtFirstUse(broken, may_begin=False)
        shop.guard = replace(shop.guard, store=later)
        told = looked(shop)
        assert "broken.db" in told.store_problem
        assert (told.looks.read, told.generation, told.is_enforced) == (2, 0, False)
        later.close()


def test_another_job_that_guards_the_same_resource_is_named(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(NAT, job="network")
        told = looked(shop)
        assert told.guarded_by == {NAT: ("network",)}
        assert "Guarded by another job already:\n  nat-shop: network" in text_of(told)


def test_a_recorded_job_is_known_and_whether_its_runs_are_stopped(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        assert (looked(shop).generation, looked(shop).is_enforced) == (0, False)
        shop.first_record(VNET)
        assert (looked(shop).generation, looked(shop).is_enforced) == (1, True)
        shop.with_policy('version: 1\njobs: [{match: "*", mode: observe}]\n')
        assert looked(shop).is_enforced is False
        assert job_row(shop).generation == 1


def test_settings_that_no_body_holds_and_types_without_a_table_are_told(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        zone = f"{PROVIDERS}/dnsZones/shop.contoso.com"
        told = looked(shop, Naming(resources=(zone,)))
        assert "record sets" in told.not_in_body["Microsoft.Network/dnsZones"]
        lock = f"{zone}/providers/Microsoft.Authorization/locks/keep"
        policy = shop.guard.policy()
        shop.guard = replace(shop.guard, policy=lambda: replace(policy, platform=lambda _: None))
        assert looked(shop, Naming(resources=(lock,))).without_table == ("Microsoft.Authorization/locks",)


def test_no_secret_is_told_and_a_secret_that_changes_is(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        site = f"{NETWORK.replace('network', 'app')}/providers/Microsoft.Web/sites"
        [app] = [text for text in shop.sandbox.ids() if text.startswith(site) and text.count("/") == 8][:1]

        def setting(value: str) -> Callable[[], None]:
            return lambda: shop.sandbox.platform(app, {"properties.siteConfig.adminPassword": value})

        setting("hunter2-before")()
        told = looked(shop, Naming(resources=(app,)), setting("hunter2-after"))
        text = text_of(told) + str(onboard_view(told, ENTRY, (), 0))
        assert "adminPassword" in text and "hunter2" not in text


def test_a_job_is_named_and_so_is_something_of_it(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        with pytest.raises(WrongUse, match="nothing is named"):
            looked(shop, Naming())
        with pytest.raises(WrongUse, match="name of a job"):
            looked(shop, job="no job")
        with pytest.raises(NotFound):
            looked(shop, Naming(deployments=(f"{NETWORK}/providers/Microsoft.Resources/deployments/none",)))


def test_a_store_that_is_looked_at_refuses_every_write(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        looking = NothingWritten(shop.guard.store)
        with pytest.raises(WrongUse):
            looking.commit(JOB, [])
        with pytest.raises(WrongUse):
            looking.forget(["a"])
        assert (looking.put_once("a", b"1"), looking.put_once("a", b"2"), looking.read("a")) == (True, False, b"1")
        assert (shop.guard.store.read("a"), looking.blobs("a"), looking.partitions()) == (None, [], [])


def test_a_passing_key_makes_marks_of_its_own_only() -> None:
    sealer = PassingKey(KEY)
    assert sealer.mark("p", "v") == sealer.mark("p", "v", sealer.key_id) != PassingKey(b"other").mark("p", "v")
    with pytest.raises(CannotTell):
        sealer.mark("p", "v", "another")
