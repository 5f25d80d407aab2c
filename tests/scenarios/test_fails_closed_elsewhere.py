"""Store, key, policy, ticket system or log out of order: nothing proceeds, the halt stands, and the error names the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from driftguard.adapters.stores.secret_key import open_key_ring
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.errors import (
    BadConfiguration,
    SecretKeyMissing,
    Stale,
    StoreUnavailable,
)
from driftguard.flow.attribute import Actor
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision, State
from driftguard.flow.ports import Reader
from driftguard.flow.reading import Deployment, Members, Reading, Wanted
from driftguard.flow.resource import ResourceRef
from driftguard.flow.ticket import Delivery
from driftguard.guard.deliver import deliver_due, waiting
from driftguard.guard.review import Deciding, decide, find_halt, list_halts
from driftguard.guard.scan import gate_every_job
from driftguard.guard.work import Work
from driftguard.sandbox import OTHER_SUBSCRIPTION, SUBSCRIPTION, TENANT, Sandbox, default_estate
from tests.scenarios.closed import allow_overwrite
from tests.world import DANA, ERIN, JOB, VNET, World, world

LOG = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """A job that has recorded a network."""
    with world(tmp_path) as made:
        made.first_record(VNET)
        yield made


def change_by_hand(shop: World) -> None:
    """Somebody adds a tag in the portal."""
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")


# The store


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is writing and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_locked_store_lets_nothing_proceed_and_says_which_store(shop: World) -> None:
    path = shop.folder / "store.db"
    with closing(open_sqlite(path, busy_timeout=0.05)) as impatient:
        shop.guard = replace(shop.guard, store=impatient)
        with locked(path), pytest.raises(StoreUnavailable) as refused:
            shop.check()
        assert str(path) in refused.value.message
        assert "try again" in refused.value.remedy
        assert refused.value.exit_code == 2
        assert shop.check().verdict is Verdict.PROCEED


def test_a_locked_store_loses_no_halt(shop: World) -> None:
    path = shop.folder / "store.db"
    change_by_hand(shop)
    with closing(open_sqlite(path, busy_timeout=0.05)) as impatient:
        shop.guard = replace(shop.guard, store=impatient)
        with locked(path), pytest.raises(StoreUnavailable):
            shop.check()
        answer = shop.check()
    assert answer.exit_code == 1
    assert len(shop.notes()) == 1


class Meanwhile(Reader):
    """A reader during whose first read something happens."""

    def __init__(self, inner: Reader, happens: Callable[[], object]) -> None:
        self._inner, self._happens = inner, happens

    def read(self, wanted: Iterable[Wanted], *, budget: float) -> Iterator[Reading]:
        yield from self._inner.read(wanted, budget=budget)
        happens, self._happens = self._happens, lambda: None
        happens()

    def members(self, scope: ResourceRef) -> Members:
        return self._inner.members(scope)

    def deployment(self, ref: ResourceRef) -> Deployment:
        return self._inner.deployment(ref)

    def tenant_of(self, subscription: str) -> str:
        return self._inner.tenant_of(subscription)


def replaced_by_an_empty_one(path: Path) -> None:
    path.rename(path.with_name("aside.db"))
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    open_sqlite(path).close()


@pytest.mark.parametrize("happens", [Path.unlink, replaced_by_an_empty_one], ids=["deleted", "replaced"])
def test_a_store_that_goes_in_the_middle_of_a_check_lets_nothing_proceed(
    shop: World, happens: Callable[[Path], object]
) -> None:
    path = shop.folder / "store.db"
    shop.guard = replace(shop.guard, reader=Meanwhile(shop.guard.reader, lambda: happens(path)))
    with pytest.raises(StoreUnavailable) as refused:
        shop.check()
    assert refused.value.exit_code == 2


def test_a_store_that_goes_in_the_middle_of_a_record_records_nothing(shop: World) -> None:
    clearance = shop.check().clearance
    shop.sandbox.patch(VNET, {"tags": {"by": "pipeline"}})
    path = shop.folder / "store.db"
    shop.guard = replace(shop.guard, reader=Meanwhile(shop.guard.reader, lambda: path.rename(path.with_name("away"))))
    with pytest.raises(StoreUnavailable):
        shop.record("run-1", clearance=clearance)
    path.with_name("away").rename(path)
    assert Work(shop.guard.store, JOB, shop.guard.clock.now()).job.generation == 1


@pytest.mark.parametrize(
    "sql", ["DELETE FROM blobs WHERE key LIKE '%/baseline/%'", "UPDATE blobs SET data = x'1f8b00'"]
)
def test_a_lost_or_damaged_baseline_lets_nothing_proceed(shop: World, sql: str) -> None:
    with closing(sqlite3.connect(shop.folder / "store.db")) as hand, hand:
        hand.execute(sql)
    with pytest.raises(StoreUnavailable, match=r"has lost|damaged"):
        shop.check()


# The key of the secrets


def test_a_store_without_its_key_file_opens_no_guard(shop: World) -> None:
    (shop.folder / "store.db.key").unlink()
    with closing(open_sqlite(shop.folder / "store.db")) as store, pytest.raises(SecretKeyMissing) as refused:
        open_key_ring(store, shop.folder / "store.db.key", bytes)
    assert refused.value.exit_code == 2
    assert "backup" in refused.value.remedy


def test_a_store_with_the_key_file_of_another_store_opens_no_guard(shop: World, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(open_sqlite(other)) as store:
        open_key_ring(store, other.with_name("other.db.key"), lambda count: b"\7" * count)
    other.with_name("other.db.key").replace(shop.folder / "store.db.key")
    with closing(open_sqlite(shop.folder / "store.db")) as store, pytest.raises(SecretKeyMissing):
        open_key_ring(store, shop.folder / "store.db.key", bytes)


# The policy


def test_a_policy_that_is_missing_never_proceeds(shop: World) -> None:
    shop.with_policy("version: 1\n")
    (shop.folder / "policy.yaml").unlink()
    with pytest.raises(BadConfiguration) as refused:
        shop.check()
    assert "policy.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\nmodus: enforce\n", 2),
        ("version: 1\njobs:\n  - match: '*'\n    mode: halting\n", 4),
        ("version: 1\njobs:\n  - match: '*'\n mode: observe\n", 4),
        ("version: 1\nversion: 1\n", 2),
        ("version: 1\ndefaults: {on_drift: {person: ignore}}\n", 2),
    ],
    ids=["unknown key", "unknown value", "not YAML", "a key twice", "a word that would hide drift"],
)
def test_a_policy_that_is_wrong_never_proceeds_and_the_error_has_file_and_line(
    shop: World, text: str, line: int
) -> None:
    shop.with_policy(text)
    with pytest.raises(BadConfiguration) as refused:
        shop.check()
    assert f"policy.yaml:{line}" in str(refused.value)


def test_a_wrong_policy_also_stops_record_and_review(shop: World) -> None:
    change_by_hand(shop)
    halt = shop.check().halt
    assert halt
    shop.with_policy("modus: observe\n")
    with pytest.raises(BadConfiguration):
        shop.record("run-1")
    with pytest.raises(BadConfiguration):
        decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "agreed", DANA))
    with pytest.raises(BadConfiguration):
        gate_every_job(shop.guard)


# The ticket system


def test_a_halt_stands_while_the_ticket_folder_cannot_be_written_and_its_note_waits(shop: World) -> None:
    in_the_way = shop.folder / "tickets"
    in_the_way.write_text("a file where a folder should be")
    change_by_hand(shop)
    answer = shop.check(ticket="CHG0030001")
    assert answer.exit_code == 1
    assert [halt.state for halt in list_halts(shop.guard)] == [State.OPEN]

    (told,) = waiting(deliver_due(shop.guard, now=True))
    assert (told.target, told.event, told.state) == ("file", "halted", Delivery.DUE)
    assert "cannot be written" in told.problem and "driftguard deliver" in told.problem
    assert told.next_at

    in_the_way.unlink()
    sent = [one for one in deliver_due(shop.guard, now=True) if one.target == "file"]
    assert [one.state for one in sent] == [Delivery.DELIVERED]
    assert [note.parent.name for note in shop.notes()] == ["CHG0030001"]


def test_a_waiting_note_holds_up_neither_decision_nor_run(shop: World) -> None:
    (shop.folder / "tickets").write_text("in the way")
    change_by_hand(shop)
    shop.check()
    allow_overwrite(shop)
    assert shop.check("run-2").exit_code == 0
    (shop.folder / "tickets").unlink()
    shop.advance(hours=1)
    deliver_due(shop.guard, now=True)
    deliver_due(shop.guard, now=True)
    assert waiting(deliver_due(shop.guard, now=True)) == []
    (note,) = shop.notes()
    assert "overwrite" in note.read_text()


def test_evidence_beside_a_note_that_somebody_changed_is_told_and_not_written_over(shop: World) -> None:
    change_by_hand(shop)
    shop.check()
    (evidence,) = (shop.folder / "tickets").rglob("*.json")
    evidence.write_text("{}")
    allow_overwrite(shop)
    problems = [one.problem for one in waiting(deliver_due(shop.guard, now=True))]
    assert problems and "not the evidence" in problems[0]
    assert evidence.read_text() == "{}"


# The sources of attribution


@pytest.mark.parametrize("fault", ["403", "500", "html", "half-body"])
def test_a_halt_stands_while_the_log_is_down_with_author_unknown_and_the_reason(shop: World, fault: str) -> None:
    shop.sandbox.fault(LOG, fault)
    change_by_hand(shop)
    answer = shop.check()
    assert answer.exit_code == 1
    attribution = answer.judgement.halting[0].attribution
    assert attribution is not None
    assert (attribution.actor, attribution.sure) == (Actor.UNKNOWN, "unknown")
    assert "was not read" in attribution.why
    assert answer.halt and answer.halt.author_unknown
    (note,) = shop.notes()
    assert "nobody known" in note.read_text()
    assert "was not read" in note.read_text()


def test_one_reviewer_alone_does_not_overwrite_what_nobody_is_known_to_have_written(shop: World) -> None:
    shop.sandbox.fault(LOG, "500")
    change_by_hand(shop)
    halt = shop.check().halt
    assert halt
    decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "agreed", DANA))
    assert shop.check("run-2").exit_code == 1
    decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "agreed", ERIN))
    assert shop.check("run-2").exit_code == 0


# Old states


def test_a_decision_on_a_halt_that_changed_since_it_was_seen_is_refused(shop: World) -> None:
    change_by_hand(shop)
    halt = shop.check().halt
    assert halt
    _, seen = find_halt(shop.guard, halt.id)
    decide(shop.guard, Deciding(halt.id, Decision.KEEP, "first", DANA, in_code="abc123"))
    with pytest.raises(Stale) as refused:
        decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "second", ERIN, if_match=seen))
    assert refused.value.exit_code == 3
    assert find_halt(shop.guard, halt.id)[0].state is State.KEPT


def test_a_decision_on_an_older_version_of_the_evidence_is_refused(shop: World) -> None:
    shop.sandbox.fault(LOG, "500")
    change_by_hand(shop)
    halt = shop.check().halt
    assert halt and halt.evidence == 1
    shop.sandbox.clear_faults()
    shop.check("run-2")
    with pytest.raises(Stale, match="version 2"):
        decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "agreed", DANA, evidence=1))


def test_a_decision_on_a_difference_that_changed_lets_nothing_pass(shop: World) -> None:
    change_by_hand(shop)
    shop.check()
    allow_overwrite(shop)
    shop.sandbox.patch(VNET, {"tags": {"by": "hand", "and": "again"}}, as_="person-portal")
    answer = shop.check("run-2")
    assert (answer.exit_code, answer.clearance) == (1, None)


# One subscription in trouble


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A job over two subscriptions of one tenant, and the id of what it has in the second."""
    group = f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/rg-second"
    second = f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg-second"
    estate = [*default_estate(), (group, {"location": "westeurope"}), (second, {"location": "westeurope"})]
    box = Sandbox(estate, subscriptions={SUBSCRIPTION: TENANT, OTHER_SUBSCRIPTION: TENANT})
    with world(tmp_path, sandbox=box) as made:
        made.first_record(VNET, second)
        yield made, second


@pytest.mark.parametrize("fault", ["403", "500", "429"])
def test_an_error_in_one_subscription_does_not_hide_a_change_in_another(two: tuple[World, str], fault: str) -> None:
    shop, second = two
    shop.sandbox.fault(f"/subscriptions/{OTHER_SUBSCRIPTION}", fault)
    change_by_hand(shop)
    answer = shop.check()
    assert answer.exit_code == 1
    assert [finding.ref.id for finding in answer.judgement.halting] == [VNET]
    assert [text for text, _, _ in answer.coverage.unread] == [second]


def test_a_change_in_the_other_subscription_is_seen_too(two: tuple[World, str]) -> None:
    shop, second = two
    shop.sandbox.fault(f"/subscriptions/{SUBSCRIPTION}", "403")
    shop.sandbox.patch(second, {"tags": {"by": "hand"}}, as_="person-portal")
    answer = shop.check()
    assert [finding.ref.id for finding in answer.judgement.halting] == [second]


def test_one_job_that_cannot_be_judged_hides_no_other_in_a_scan(two: tuple[World, str]) -> None:
    shop, second = two
    shop.first_record(second, job="second-prod")
    shop.sandbox.fault(f"/subscriptions/{OTHER_SUBSCRIPTION}", "403")
    change_by_hand(shop)
    report = gate_every_job(shop.guard)
    assert report.summary()["halted"] == [JOB]
    assert report.could_not_tell == ("second-prod",)
