"""Many processes at once on one job: one halt, one evidence, one note; one clearance; one decision."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.sandbox import Sandbox
from tests.scenarios.processes import (
    JOB_NAME,
    NSG,
    ROUTES,
    assert_whole,
    ended,
    environment,
    halts_in,
    here,
    job_in,
    notes_in,
    open_a_port,
    opened,
    start,
)

MANY = 20


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def environ(tmp_path: Path, sandbox: Sandbox) -> dict[str, str]:
    """A job with two recorded resources."""
    made = environment(tmp_path, sandbox)
    assert here(made, "record", "--job", JOB_NAME, "--resource", NSG, "--resource", ROUTES) == 0
    return made


def test_twenty_checks_at_once_make_one_halt_one_evidence_and_one_note(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    open_a_port(sandbox)
    words = ("check", "--job", JOB_NAME, "--ticket", "CHG0030001", "--json", "--run")
    answers = [ended(each) for each in [start(environ, *words, f"run-{number}") for number in range(MANY)]]
    assert Counter(code for code, _, _ in answers) == {1: MANY}, [err for code, _, err in answers if code != 1]
    assert len({json.loads(out)["halt"]["id"] for _, out, _ in answers}) == 1
    here(environ, "deliver")
    with opened(tmp_path) as store:
        (halt,) = halts_in(store)
        (named,) = halt.evidence_keys  # what the others wrote and did not commit is named by nobody
        assert halt.evidence == 1 and named in store.blobs(f"{JOB_NAME}/evidence/{halt.id}/")
        assert_whole(store, 2)
    assert len(notes_in(tmp_path)) == 1


def test_of_twenty_clearances_at_once_one_is_given(environ: dict[str, str], tmp_path: Path) -> None:
    words = ("check", "--job", JOB_NAME, "--json", "--run")
    answers = [ended(each) for each in [start(environ, *words, f"run-{number}") for number in range(MANY)]]
    assert Counter(code for code, _, _ in answers) == {0: 1, 4: MANY - 1}, [
        e for code, _, e in answers if code not in (0, 4)
    ]
    (given,) = [json.loads(out)["clearance"] for code, out, _ in answers if code == 0]
    with opened(tmp_path) as store:
        lease = job_in(store).lease
        assert lease is not None and lease.clearance == given
        assert_whole(store, 2)


def test_of_eight_decisions_on_what_was_seen_one_is_taken(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    open_a_port(sandbox)
    assert here(environ, "check", "--job", JOB_NAME, "--run", "run-1") == 1
    with opened(tmp_path) as store:
        (halt,) = halts_in(store)
        row = store.get(JOB_NAME, "halt", halt.id)
    assert row is not None
    words = ("halts", "decide", halt.id, "keep", "--reason", "needed", "--if-match", row.version, "--as")
    answers = [ended(each) for each in [start(environ, *words, f"r{number}@contoso.com") for number in range(8)]]
    assert Counter(code for code, _, _ in answers) == {0: 1, 3: 7}


def test_several_deliveries_at_once_leave_one_note(environ: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    open_a_port(sandbox)
    blocked = tmp_path / "tickets"
    blocked.write_text("a file where the folder should be")
    assert here(environ, "check", "--job", JOB_NAME, "--run", "run-1", "--ticket", "CHG0030001") == 1
    blocked.unlink()
    answers = [ended(each) for each in [start(environ, "deliver") for _ in range(6)]]
    assert {code for code, _, _ in answers} <= {0, 2}
    assert here(environ, "deliver") == 0
    assert len(notes_in(tmp_path)) == 1
