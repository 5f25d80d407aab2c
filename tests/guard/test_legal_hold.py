"""Legal hold: who may put a job under it and take it away, what stands in the ledger, and that nothing of it is removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from driftguard.errors import AlreadyFinal, NotAllowed, NotFound, Stale, WrongUse
from driftguard.flow.review import Person
from driftguard.guard import index
from driftguard.guard.jobs import move, retire, show_job
from driftguard.guard.legal_hold import hold, unhold
from driftguard.guard.rows import LEDGER
from tests.scenarios.kept import overwrite, purged_in, require_whole, use_policy, with_a_past
from tests.scenarios.steps import NAT, job_row, ledger, story
from tests.world import DANA, ERIN, JOB, VNET, World

CASE = "case 4711 of the legal department"
PROVEN = Person("dana@contoso.com", object_id="bbbbbbbb-0001-4000-8000-000000000001")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with story(tmp_path) as telling:
        yield telling


def test_under_hold_nothing_is_removed_and_afterwards_it_is(shop: World) -> None:
    with_a_past(shop)
    hold(shop.guard, JOB, by=DANA, reason=CASE)
    store = shop.guard.store
    kinds = [kind for kind in store.kinds(JOB) if kind not in ("job", LEDGER)]
    before = {kind: [row.id for row in index.all_rows(store, JOB, kind)] for kind in kinds}, store.blobs(f"{JOB}/")
    for _ in range(3):
        assert purged_in(shop, days=500) == {}
    assert before == (
        {kind: [row.id for row in index.all_rows(store, JOB, kind)] for kind in kinds},
        store.blobs(f"{JOB}/"),
    )
    unhold(shop.guard, JOB, by=ERIN, reason="the case is closed")
    assert purged_in(shop, days=1)["halts"] == 2
    require_whole(shop)


def test_hold_and_unhold_say_who_why_and_when_in_the_job_and_the_ledger(shop: World) -> None:
    shop.first_record(VNET)
    hold(shop.guard, JOB, by=DANA, reason=f"  {CASE}  ")
    assert job_row(shop).hold == {"reason": CASE, "by": DANA.name, "at": job_row(shop).hold["at"]}  # type: ignore[index]  # reason: it is under hold
    with pytest.raises(AlreadyFinal, match=r"under legal hold since 2026-03-02 .*, by dana@contoso.com"):
        hold(shop.guard, JOB, by=ERIN, reason="another case")
    unhold(shop.guard, JOB, by=ERIN, reason="closed")
    assert job_row(shop).hold is None
    with pytest.raises(AlreadyFinal, match="not under legal hold"):
        unhold(shop.guard, JOB, by=ERIN, reason="closed")
    assert ledger(shop)[-2:] == ["held", "hold taken away"]
    told = [row.body["data"] for row in index.all_rows(shop.guard.store, JOB, LEDGER)][-2:]
    assert [(one["by"], one["reason"], one["asserted"]) for one in told] == [
        (DANA.name, CASE, True),
        (ERIN.name, "closed", True),
    ]


@pytest.mark.parametrize("verb", [hold, unhold])
def test_it_takes_a_person_a_reason_and_a_known_job_at_the_state_that_was_seen(shop: World, verb: object) -> None:
    assert callable(verb)
    shop.first_record(VNET)
    if verb is unhold:
        hold(shop.guard, JOB, by=DANA, reason=CASE)
    before = show_job(shop.guard, JOB)
    with pytest.raises(WrongUse):
        verb(shop.guard, JOB, by=DANA, reason="  ")
    with pytest.raises(NotFound):
        verb(shop.guard, "nobody", by=DANA, reason=CASE)
    with pytest.raises(Stale):
        verb(shop.guard, JOB, by=DANA, reason=CASE, if_match=before.version + "0")
    in_ci = replace(shop.guard, in_ci=True)
    with pytest.raises(NotAllowed, match="inside CI"):
        verb(in_ci, JOB, by=DANA, reason=CASE)
    assert show_job(shop.guard, JOB) == before
    verb(in_ci, JOB, by=PROVEN, reason=CASE, if_match=before.version)


def test_a_hold_stops_nothing_else(shop: World) -> None:
    use_policy(shop)
    shop.first_record(VNET, NAT)
    hold(shop.guard, JOB, by=DANA, reason=CASE)
    overwrite(shop, "run-1")
    move(shop.guard, JOB, "other", by=DANA, reason="it is theirs", resources=(NAT,))
    assert job_row(shop, "other").hold is None
    retire(shop.guard, JOB, by=DANA, reason="it is gone")
    assert job_row(shop).hold is not None
    unhold(shop.guard, JOB, by=DANA, reason="closed")
