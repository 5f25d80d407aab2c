"""One transaction on one job: all of it or nothing, and never side by side with another."""

from __future__ import annotations

import pytest

from driftguard.adapters.stores.sqlite import SqliteStore
from driftguard.errors import Conflict, NotFound, WrongUse
from driftguard.flow.halt import State
from driftguard.flow.ledger import GENESIS, LedgerEntry, first_fault
from driftguard.flow.ports import MAX_WRITES
from driftguard.guard import index
from driftguard.guard.rows import CHECK, HALT, JOB, JOB_ROW, LEDGER, OUTBOX
from driftguard.guard.work import Work, attempts, require_job_name
from tests.flow.findings import NOON
from tests.guard.halts import halt_row


def work_on(store: SqliteStore, job: str = "job") -> Work:
    return Work(store, job, NOON)


def ledger_of(store: SqliteStore) -> list[LedgerEntry]:
    return [LedgerEntry.from_dict(row.body) for row in index.all_rows(store, "job", LEDGER)]


def test_nothing_is_written_before_the_commit(store: SqliteStore) -> None:
    work = work_on(store)
    assert not work.exists
    work.log("halted")
    work.tell(halt_row(), "halted", ["file"])
    work.put_new(CHECK, "c-1", {})
    assert store.partitions() == []
    work.commit()
    assert work_on(store).exists


def test_everything_is_written_together_and_only_once(store: SqliteStore) -> None:
    work = work_on(store)
    work.tell(halt_row(), "halted", ["file", "jira"])
    work.put_new(CHECK, "c-1", {"a": 1})
    work.log("halted", halt="h-1")
    work.commit()
    assert work_on(store).current() == halt_row(told=1)
    assert [row.id for row in store.list("job", OUTBOX)] == ["h-1.file.0001.halted", "h-1.jira.0001.halted"]
    assert len(ledger_of(store)) == len(store.list("job", CHECK)) == 1
    with pytest.raises(Conflict):
        work.commit()


def test_a_verb_that_lost_the_race_writes_nothing_at_all(store: SqliteStore) -> None:
    work_on(store).commit()
    slow, fast = work_on(store), work_on(store)
    fast.job.generation = 7
    fast.commit()
    slow.put_new(CHECK, "c-1", {})
    slow.log("recorded")
    with pytest.raises(Conflict):
        slow.commit()
    assert work_on(store).job.generation == 7
    assert store.list("job", CHECK) == store.list("job", LEDGER) == []


def test_two_verbs_that_make_the_same_job_do_not_make_it_twice(store: SqliteStore) -> None:
    slow, fast = work_on(store), work_on(store)
    fast.commit()
    with pytest.raises(Conflict):
        slow.commit()


def test_a_verb_that_changes_a_halt_loses_against_one_that_changed_only_the_job(store: SqliteStore) -> None:
    first = work_on(store)
    first.save_halt(halt_row())
    first.commit()
    slow, fast = work_on(store), work_on(store)
    halt = slow.halt("h-1")
    fast.commit()
    halt.state = State.KEPT
    slow.save_halt(halt)
    with pytest.raises(Conflict):
        slow.commit()
    assert work_on(store).halt("h-1").state is State.OPEN


def test_a_step_is_tried_again_until_it_wins_and_not_for_ever(store: SqliteStore) -> None:
    work_on(store).commit()
    tried = []

    def step() -> str:
        work = work_on(store)
        tried.append(work)
        if len(tried) < 4:
            work_on(store).commit()  # somebody else is faster
        work.commit()
        return "done"

    assert attempts(step) == "done"
    assert len(tried) == 4

    def never() -> None:
        tried.append(work_on(store))
        raise Conflict("somebody else was faster")

    tried.clear()
    with pytest.raises(Conflict):
        attempts(never)
    assert len(tried) == 40

    def other_trouble() -> None:
        raise NotFound("no such thing")

    with pytest.raises(NotFound):
        attempts(other_trouble)


def test_a_hundred_operations_are_one_commit_and_more_are_refused_whole(store: SqliteStore) -> None:
    most = work_on(store)
    for number in range(MAX_WRITES - 1):  # the job's own row is one of them
        most.put_new(CHECK, f"c-{number}", {})
    most.commit()
    assert len(store.list("job", CHECK)) == MAX_WRITES - 1
    more = work_on(store)
    for number in range(MAX_WRITES):
        more.put_new(CHECK, f"d-{number}", {})
    more.job.generation = 9
    with pytest.raises(WrongUse):
        more.commit()
    assert len(store.list("job", CHECK)) == MAX_WRITES - 1
    assert work_on(store).job.generation == 0


def test_the_ledger_goes_on_from_commit_to_commit(store: SqliteStore) -> None:
    for events in (["first record"], ["halted", "decided"], [], ["cleared", "recorded", "resolved"]):
        work = work_on(store)
        for number, event in enumerate(events):
            work.log(event, number=number)
        work.commit()
    job, entries = work_on(store).job, ledger_of(store)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[0].previous == GENESIS
    assert (job.ledger_number, job.ledger_head) == (6, entries[-1].hash)
    assert first_fault(entries, job.ledger_number, job.ledger_head) == ""


def test_the_ledger_of_a_verb_that_tried_again_has_one_entry(store: SqliteStore) -> None:
    work_on(store).commit()
    tries = iter(range(3))

    def step() -> None:
        work = work_on(store)
        work.log("decided")
        if next(tries) < 2:
            work_on(store).commit()
        work.commit()

    attempts(step)
    assert [entry.event for entry in ledger_of(store)] == ["decided"]


def test_notes_have_ids_of_their_own_in_the_order_of_the_events(store: SqliteStore) -> None:
    events = ["halted", "amended-2", "decided-3", "decided-4", *(f"amended-{n}" for n in range(5, 13)), "resolved"]
    for event in events:
        work = work_on(store)
        halt = work.known_halt("h-1") or halt_row()
        work.tell(halt, event, ["a", "b"])
        work.commit()
    rows = store.list("job", OUTBOX)
    for target in "ab":
        assert [row.body["event"] for row in rows if row.body["target"] == target] == events
    assert [row.body["sequence"] for row in rows] == [*range(1, 14), *range(1, 14)]
    assert work_on(store).halt("h-1").told == len(events)


def test_a_halt_told_twice_in_one_commit_gets_two_notes_in_order(store: SqliteStore) -> None:
    work, halt = work_on(store), halt_row()
    work.tell(halt, "halted", ["file"])
    halt.state = State.SUPERSEDED
    work.tell(halt, "resolved", ["file"])
    work.commit()
    assert [row.body["event"] for row in store.list("job", OUTBOX)] == ["halted", "resolved"]
    assert work_on(store).halt("h-1").told == 2


def test_the_job_points_to_the_one_halt_that_is_not_final(store: SqliteStore) -> None:
    work = work_on(store)
    assert work.current() is None
    earlier, later = halt_row("h-1"), halt_row("h-2")
    work.save_halt(earlier)
    assert work.job.open_halt == "h-1"
    earlier.state = State.SUPERSEDED
    work.save_halt(earlier)
    assert work.job.open_halt is None
    work.save_halt(later)
    work.save_halt(earlier)  # saving a final halt again does not hide the open one
    work.commit()
    again = work_on(store)
    assert again.job.open_halt == "h-2"
    assert again.current() == later
    assert again.halt("h-1").state is State.SUPERSEDED


def test_a_halt_that_was_changed_in_this_transaction_is_read_as_changed(store: SqliteStore) -> None:
    work = work_on(store)
    work.save_halt(halt_row())
    assert work.halt("h-1") == halt_row()
    changed = halt_row(state=State.KEPT)
    work.save_halt(changed)
    assert work.halt("h-1").state is State.KEPT


def test_a_halt_that_is_not_there_is_not_found(store: SqliteStore) -> None:
    work = work_on(store)
    assert work.known_halt("h-9") is None
    with pytest.raises(NotFound, match="h-9") as missing:
        work.halt("h-9")
    assert missing.value.remedy


def test_a_new_halt_never_takes_the_place_of_one_that_is_there(store: SqliteStore) -> None:
    first = work_on(store)
    first.save_halt(halt_row(state=State.STOPPED))
    first.commit()
    second = work_on(store)
    second.save_halt(halt_row())
    with pytest.raises(Conflict):
        second.commit()
    assert work_on(store).halt("h-1").state is State.STOPPED


def test_a_row_is_written_over_only_at_the_version_that_was_read(store: SqliteStore) -> None:
    work = work_on(store)
    work.put_new("proposal", "p-1", {"state": "proposed"})
    work.commit()
    row = store.get("job", "proposal", "p-1")
    assert row
    for state, wins in (("accepted", True), ("rejected", False)):
        again = work_on(store)
        again.put_over("proposal", "p-1", {"state": state}, row.version)
        if wins:
            again.commit()
        else:
            with pytest.raises(Conflict):
                again.commit()
    stored = store.get("job", "proposal", "p-1")
    assert stored and stored.body == {"schema": 1, "state": "accepted"}


@pytest.mark.parametrize("name", ["a", "payments-prod", "Team.Job_1", "0", "x" * 100])
def test_a_job_name_is_letters_digits_dot_dash_and_underscore(name: str) -> None:
    assert require_job_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "-a",
        ".a",
        "~index",
        "a b",
        "a/b",
        "../a",
        "a|b",
        "a\n",
        "a\x00",
        "ü",
        "x" * 101,
        "a*",
        "a'",
        'a"',
        "a;b",
    ],
)
def test_no_other_text_is_a_job_nor_reaches_the_store(store: SqliteStore, name: str) -> None:
    with pytest.raises(WrongUse, match="cannot be the name of a job") as refused:
        work_on(store, name)
    assert str(refused.value).isprintable()
    assert store.partitions() == []


def test_the_rows_of_one_job_say_nothing_of_another(store: SqliteStore) -> None:
    one = work_on(store, "one")
    one.save_halt(halt_row(job="one"))
    one.commit()
    assert work_on(store, "other").known_halt("h-1") is None
    assert store.get("one", JOB, JOB_ROW) and store.get("one", HALT, "h-1")
    assert not work_on(store, "other").exists
