"""Whatever ARM answers that is no state: nothing proceeds, the old baseline stays, and what was not read is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.errors import CannotTell, DriftGuardError, NoClearance, Unavailable
from driftguard.flow.check import FindingKind
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import State
from driftguard.flow.reading import Cause
from driftguard.flow.record import Baseline, Fate
from driftguard.guard.blobs import load_baseline
from driftguard.guard.check import Answer
from driftguard.guard.record import Naming
from driftguard.guard.work import Work
from tests.adapters.readers.arm_stub import Reply, json_reply, running_stub
from tests.scenarios.closed import allow_overwrite
from tests.world import JOB, NETWORK, PROVIDERS, VNET, World, world

NSG = f"{PROVIDERS}/networkSecurityGroups/nsg-web"
SUBSCRIPTION = NETWORK.partition("/resourceGroups/")[0]
TOO_LARGE = 11_000_000  # bytes; the reader takes ten million

# What ARM, or somebody between it and us, answers -> the cause that is told.
ANSWERS: dict[str, Cause] = {
    "403": Cause.FORBIDDEN,
    "409": Cause.REFUSED,
    "429": Cause.THROTTLED,
    "500": Cause.SERVER_ERROR,
    "503": Cause.SERVER_ERROR,
    "half-body": Cause.NOT_JSON,
    "html": Cause.NOT_JSON,
    "empty": Cause.NOT_JSON,
    "huge": Cause.TOO_LARGE,
    "not-object": Cause.NOT_JSON,
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """A job that has recorded a network and a network security group."""
    with world(tmp_path) as made:
        made.first_record(VNET, NSG)
        yield made


@pytest.mark.parametrize(("fault", "cause"), ANSWERS.items())
def test_an_answer_that_is_no_state_is_never_a_proceed(shop: World, fault: str, cause: Cause) -> None:
    shop.sandbox.fault(VNET, fault, size=TOO_LARGE)
    nothing_is_decided(shop, cause)


def test_no_answer_at_all_is_never_a_proceed(tmp_path: Path) -> None:
    with world(tmp_path, read_timeout=0.2) as shop:
        shop.first_record(VNET, NSG)
        shop.sandbox.fault(VNET, "hang")
        nothing_is_decided(shop, Cause.TIMEOUT)


def test_nobody_listening_is_never_a_proceed(shop: World) -> None:
    shop.sandbox.stop()
    recorded = baseline(shop)
    answer = shop.check()
    assert (answer.verdict, answer.clearance) == (Verdict.CANNOT_TELL, None)
    assert {cause for _, cause, _ in answer.coverage.unread} == {Cause.NO_CONNECTION}
    assert baseline(shop) == recorded


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "x", "properties": {}, "properties": {"a": 1}}',
        b'{"properties": {"a": NaN}}',
        b'{"a": 1e999}',
        b"\xff{}",
    ],
    ids=["a member twice", "NaN", "a number beyond all", "not UTF-8"],
)
def test_a_body_that_two_readers_could_understand_in_two_ways_is_never_a_proceed(shop: World, body: bytes) -> None:
    with running_stub() as stub:
        stub.answer(VNET, Reply(200, body, {"Content-Type": "application/json"}))
        stub.answer(NSG, json_reply(shop.sandbox.get(NSG)))
        with ArmReader(ArmOptions(endpoint=stub.endpoint, token="pipeline"), shop.guard.clock) as reader:
            object.__setattr__(shop.guard, "reader", reader)
            answer = shop.check()
    assert (answer.verdict, answer.clearance, answer.halt) == (Verdict.CANNOT_TELL, None, None)
    assert [(text, cause) for text, cause, _ in answer.coverage.unread] == [(VNET, Cause.NOT_JSON)]


def test_a_resource_that_is_missing_while_its_scope_answers_is_gone_and_halts(shop: World) -> None:
    shop.sandbox.fault(VNET, "404")
    answer = shop.check()
    assert (answer.verdict, answer.exit_code, answer.clearance) == (Verdict.HALT, 1, None)
    assert kinds(answer)[VNET] is FindingKind.GONE


@pytest.mark.parametrize("scope", ["403", "503", "html"])
def test_a_resource_that_is_missing_while_its_scope_does_not_answer_is_unreadable(shop: World, scope: str) -> None:
    shop.sandbox.fault(VNET, "404")
    shop.sandbox.fault(f"{NETWORK}*", scope)  # everything else in the group, and the group itself
    answer = shop.check()
    assert (answer.verdict, answer.clearance) == (Verdict.CANNOT_TELL, None)
    assert kinds(answer)[VNET] is FindingKind.UNREADABLE


@pytest.mark.parametrize(
    "code", ["SubscriptionNotFound", "InvalidResourceType", "NoRegisteredProviderFound", "Whatever"]
)
def test_a_404_about_something_else_than_the_resource_is_unreadable(shop: World, code: str) -> None:
    shop.sandbox.fault(VNET, "404", code=code)
    answer = shop.check()
    assert answer.verdict is Verdict.CANNOT_TELL
    assert kinds(answer)[VNET] is FindingKind.UNREADABLE


def test_a_missing_resource_group_is_believed_only_from_arm_itself(shop: World) -> None:
    shop.sandbox.fault(f"{NETWORK}*", "404", code="ResourceGroupNotFound")
    answer = shop.check()
    assert (answer.verdict, answer.exit_code) == (Verdict.HALT, 1)
    assert kinds(answer) == {NETWORK: FindingKind.GONE}


def test_a_pause_that_arm_asks_for_is_waited_for_and_then_the_check_goes_on(shop: World) -> None:
    begun = shop.sandbox.now()
    shop.sandbox.fault(VNET, "429", times=1, retry_after=20)
    assert shop.check().verdict is Verdict.PROCEED
    assert (shop.sandbox.now() - begun).total_seconds() >= 20


@pytest.mark.parametrize("retry_after", [None, 5, 29], ids=["no Retry-After", "5 s", "29 s"])
def test_a_throttle_that_does_not_end_is_never_a_proceed(shop: World, retry_after: float | None) -> None:
    shop.sandbox.fault(VNET, "429", retry_after=retry_after)
    nothing_is_decided(shop, Cause.THROTTLED)


def test_a_pause_beyond_the_budget_of_the_check_is_never_a_proceed(shop: World) -> None:
    shop.with_policy("version: 1\ndefaults: {check_budget: 10s}\n")
    shop.sandbox.fault("/", "429", retry_after=3600)
    recorded = baseline(shop)
    answer = shop.check()
    assert (answer.verdict, answer.clearance, answer.halt) == (Verdict.CANNOT_TELL, None, None)
    assert len(answer.coverage.unread) == 2
    assert baseline(shop) == recorded


@pytest.mark.parametrize("fault", ["503", "500", "half-body", "429"])
def test_trouble_that_passes_is_asked_through(shop: World, fault: str) -> None:
    shop.sandbox.fault(VNET, fault, times=1)
    assert shop.check().verdict is Verdict.PROCEED


def test_a_decided_halt_lets_nothing_pass_while_another_resource_is_unreadable(shop: World) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    assert shop.check().exit_code == 1
    allow_overwrite(shop)
    shop.sandbox.fault(NSG, "403")
    answer = shop.check("run-2")
    assert (answer.exit_code, answer.clearance) == (2, None)
    shop.sandbox.clear_faults()
    assert shop.check("run-2").exit_code == 0


def test_a_decided_halt_lets_nothing_pass_while_its_own_resource_is_unreadable(shop: World) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    shop.check()
    allow_overwrite(shop)
    shop.sandbox.fault(VNET, "403")
    assert shop.check("run-2").clearance is None


def test_an_open_halt_stays_while_its_resource_cannot_be_read(shop: World) -> None:
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    first = shop.check().halt
    shop.sandbox.fault(VNET, "503")
    again = shop.check("run-2")
    assert again.exit_code == 1
    assert first and again.halt and again.halt.id == first.id
    assert again.halt.state is State.OPEN


def test_a_first_record_of_what_cannot_be_read_records_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.sandbox.fault(VNET, "403")
        with pytest.raises(CannotTell):
            shop.first_record(VNET)
        with pytest.raises(CannotTell):
            shop.check()


def test_a_first_record_of_a_scope_that_is_not_listed_whole_records_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.sandbox.fault(f"{NETWORK}/resources", "503")
        with pytest.raises(CannotTell, match="could not be listed whole"):
            shop.record(None, naming=Naming(scopes=(NETWORK,)))
        assert not Work(shop.guard.store, JOB, shop.guard.clock.now()).exists


@pytest.mark.parametrize("fault", ["403", "500", "html", "half-body"])
def test_a_record_keeps_the_old_snapshot_of_what_it_cannot_read(shop: World, fault: str) -> None:
    recorded = baseline(shop).entries
    clearance = shop.check().clearance
    shop.sandbox.patch(VNET, {"tags": {"by": "pipeline"}})
    shop.sandbox.patch(NSG, {"tags": {"by": "pipeline"}})
    shop.sandbox.fault(VNET, fault)
    done = shop.record("run-1", clearance=clearance)
    assert done.exit_code == 4
    assert [ref.id for ref in done.refs(Fate.PENDING)] == [VNET]
    after = baseline(shop).entries
    assert after[VNET.lower()].fingerprint == recorded[VNET.lower()].fingerprint
    assert after[NSG.lower()].fingerprint != recorded[NSG.lower()].fingerprint
    with pytest.raises(DriftGuardError) as settling:
        shop.check("run-2")
    assert settling.value.exit_code == 4


def test_a_record_without_any_answer_about_the_tenant_changes_nothing(shop: World) -> None:
    recorded = baseline(shop)
    clearance = shop.check().clearance
    shop.sandbox.fault(SUBSCRIPTION, "500")
    with pytest.raises(Unavailable):
        shop.record("run-1", clearance=clearance)
    assert baseline(shop) == recorded


def test_a_check_that_could_not_tell_gives_no_clearance_to_record_with(shop: World) -> None:
    shop.sandbox.fault(VNET, "403")
    answer = shop.check()
    shop.sandbox.clear_faults()
    with pytest.raises(NoClearance):
        shop.record("run-1", clearance=answer.check)


def nothing_is_decided(shop: World, cause: Cause) -> None:
    """The check could not tell, says which resource and why, and leaves everything as it was; then it recovers."""
    recorded = baseline(shop)
    answer = shop.check()
    assert (answer.verdict, answer.exit_code, answer.clearance, answer.halt) == (Verdict.CANNOT_TELL, 2, None, None)
    assert [(text, why) for text, why, _ in answer.coverage.unread] == [(VNET, cause)]
    assert VNET in answer.why
    assert baseline(shop) == recorded
    assert shop.notes() == []
    shop.sandbox.clear_faults()
    shop.advance(minutes=5)
    again = shop.check("run-2")
    assert (again.verdict, again.exit_code) == (Verdict.PROCEED, 0)


def kinds(answer: Answer) -> dict[str, FindingKind]:
    """Resource id -> finding, of everything that is not as recorded."""
    judged = [item.finding for item in answer.judgement.judged]
    return {one.ref.id: one.kind for one in judged if one.kind is not FindingKind.UNCHANGED}


def baseline(shop: World) -> Baseline:
    """The job's accepted set."""
    return load_baseline(shop.guard.store, Work(shop.guard.store, JOB, shop.guard.clock.now()).job.baseline)
