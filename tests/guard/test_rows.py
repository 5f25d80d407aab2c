"""The rows of a job come back from the store as they were written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import BadConfiguration
from driftguard.flow.halt import Decision, State
from driftguard.flow.ledger import GENESIS
from driftguard.guard.blobs import Damaged
from driftguard.guard.rows import SCHEMA, HaltRow, JobRow, Lease
from tests.guard.halts import halt_row

text = st.text(max_size=6)
maybe = st.none() | text
small = st.dictionaries(text, text | st.integers() | st.none() | st.lists(text, max_size=2), max_size=2)
leases = st.builds(Lease, text, text, text, text, text)
jobs = st.builds(
    JobRow,
    name=text,
    cloud=text,
    tenant=text,
    generation=st.integers(),
    baseline=text,
    baseline_at=text,
    selectors=st.dictionaries(text, st.lists(text, max_size=2), max_size=2),
    retired_at=maybe,
    lease=st.none() | leases,
    last_clearance=st.none() | leases,
    open_halt=maybe,
    halts=st.integers(),
    ledger_number=st.integers(),
    ledger_head=text,
    memory=text,
    pending=text,
    good_at=text,
    own_correlations=st.lists(text, max_size=2),
    window=st.none() | small,
)
decisions = st.none() | st.builds(lambda word, more: {**more, "decision": str(word)}, st.sampled_from(Decision), small)
halts = st.builds(
    halt_row,
    state=st.sampled_from(State),
    state_before=st.none() | st.sampled_from(State),
    decision=decisions,
    proposal=decisions,
    confirmation=st.none() | small,
    in_use=st.none() | st.dictionaries(text, text, max_size=2),
    started_by=st.none() | small,
    summary=st.lists(small, max_size=2),
    earlier=st.none() | small,
    expires_at=maybe,
    closed_at=maybe,
    ticket=maybe,
    author_unknown=st.booleans(),
)


def stored(body: dict[str, Any]) -> dict[str, Any]:
    assert body["schema"] == SCHEMA
    back = json.loads(json.dumps(body))
    assert isinstance(back, dict)
    return back


@given(jobs)
def test_a_job_comes_back_as_it_was(job: JobRow) -> None:
    assert JobRow.from_body(stored(job.to_body())) == job


@given(halts)
def test_a_halt_comes_back_as_it_was(halt: HaltRow) -> None:
    back = HaltRow.from_body(stored(halt.to_body()))
    assert back == halt
    assert isinstance(back.state, State) and isinstance(back.state_before, State | None)


def test_a_new_job_has_nothing_recorded_and_an_empty_ledger() -> None:
    job = JobRow("job")
    assert (job.generation, job.baseline, job.ledger_number, job.ledger_head) == (0, "", 0, GENESIS)
    assert [job.lease, job.last_clearance, job.open_halt, job.retired_at, job.window] == [None] * 5


def test_rows_share_nothing_with_the_bodies_that_they_were_written_to() -> None:
    lease = Lease("c-1", "run", "until", "read")
    job = JobRow("job", lease=lease, last_clearance=lease)
    body = job.to_body()
    lease.until = "later"
    job.own_correlations.append("corr")
    assert (body["lease"]["until"], body["own_correlations"]) == ("until", [])


@pytest.mark.parametrize("state", State)
def test_a_halt_is_final_exactly_in_the_states_that_have_no_way_out(state: State) -> None:
    assert halt_row(state=state).final is (state in ("stopped", "resolved", "superseded", "expired"))


@pytest.mark.parametrize("decision", Decision)
def test_the_decision_in_force_is_read_from_the_decision_and_not_from_a_proposal(decision: Decision) -> None:
    assert halt_row(decision={"decision": str(decision)}).decided is decision
    assert halt_row(proposal={"decision": str(decision)}).decided is None


WHOLE_JOB, WHOLE_HALT = JobRow("shop").to_body(), halt_row().to_body()


@pytest.mark.parametrize(
    ("row", "body"),
    [
        (JobRow, {}),
        (JobRow, {"x": 1}),
        (JobRow, {**WHOLE_JOB, "generation": "3"}),
        (JobRow, {**WHOLE_JOB, "lease": {"run": "r"}}),
        (JobRow, {**WHOLE_JOB, "lease": "r"}),
        (JobRow, {**WHOLE_JOB, "schema": "1"}),
        (HaltRow, {}),
        (HaltRow, {**WHOLE_HALT, "state": "asleep"}),
        (HaltRow, {**WHOLE_HALT, "summary": None}),
        (HaltRow, {key: value for key, value in WHOLE_HALT.items() if key != "findings"}),
    ],
)
def test_a_row_of_a_form_that_was_never_written_is_damaged(row: type[JobRow | HaltRow], body: dict[str, Any]) -> None:
    with pytest.raises(Damaged) as caught:
        row.from_body(body)
    assert caught.value.remedy and caught.value.__cause__ is None


@pytest.mark.parametrize("row", [JobRow, HaltRow])
def test_a_row_of_a_later_schema_asks_for_the_version_that_wrote_it(row: type[JobRow | HaltRow]) -> None:
    with pytest.raises(BadConfiguration, match=f"schema {SCHEMA + 1}.*{SCHEMA}"):
        row.from_body({"schema": SCHEMA + 1, "whatever": "it holds"})


tomorrow = st.dictionaries(
    st.text(min_size=1, max_size=6).map(lambda name: f"{name}~new"), small, min_size=1, max_size=3
)


@given(jobs, tomorrow, tomorrow)
def test_a_job_keeps_what_only_a_later_version_knows(
    job: JobRow, new: dict[str, Any], of_lease: dict[str, Any]
) -> None:
    body = stored(job.to_body()) | new
    for lease in ("lease", "last_clearance"):
        body[lease] = body[lease] and body[lease] | of_lease
    row = JobRow.from_body(json.loads(json.dumps(body)))
    row.generation += 1
    assert stored(row.to_body()) == body | {"generation": job.generation + 1}


@given(halts, tomorrow)
def test_a_halt_keeps_what_only_a_later_version_knows(halt: HaltRow, new: dict[str, Any]) -> None:
    body = stored(halt.to_body()) | new
    row = HaltRow.from_body(json.loads(json.dumps(body)))
    row.told += 1
    assert stored(row.to_body()) == body | {"told": halt.told + 1}


def test_a_member_of_the_name_that_we_keep_the_others_under_is_kept_too() -> None:
    body = WHOLE_JOB | {"more": 1}
    assert JobRow.from_body(body).to_body() == body


def test_an_earlier_version_can_read_a_row_in_which_nothing_new_is_said() -> None:
    assert (
        "hold" not in JobRow("job").to_body() and "more" not in JobRow("job", lease=Lease("c", "r", "u", "r")).to_body()
    )
    held = JobRow("job", hold={"reason": "audit", "by": "dana", "at": "2026-03-01T12:00:00.000000Z"})
    assert JobRow.from_body(held.to_body()) == held
