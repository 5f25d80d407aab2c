"""What takes longer than an answer may: 202, asked for later, alive or lost; and many at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.http.workers import Workers
from driftguard.errors import StoreUnavailable, Unavailable
from driftguard.flow.moment import to_text
from driftguard.guard.rows import CALL
from tests.entry.http.service import Shop, over
from tests.entry.http.service import shop as open_shop
from tests.scenarios.steps import NAT, set_dns
from tests.world import JOB, VNET


class Gate:
    """A reader that waits until it is let go on."""

    def __init__(self, reader: Any) -> None:
        self._reader, self.opened = reader, threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, *given: Any, **more: Any) -> Iterator[Any]:
        assert self.opened.wait(60)
        return self._reader.read(*given, **more)  # type: ignore[no-any-return]  # reason: handed on


@contextmanager
def slow_shop(folder: Path, answer_within: float = 0.2) -> Iterator[tuple[Shop, Gate]]:
    """A shop whose ARM answers when it is let, and a service that does not wait for it."""
    with open_shop(folder, answer_within=answer_within) as shop:
        gate = Gate(shop.telling.guard.reader)
        shop.telling.guard = replace(shop.telling.guard, reader=gate)
        try:
            yield shop, gate
        finally:
            gate.opened.set()


def until(done: Callable[[], bool], seconds: int = 30) -> None:
    """Waits for what another thread does."""
    for _ in range(20 * seconds):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def ended(shop: Shop, path: str, as_: str = "pipeline") -> dict[str, Any]:
    until(lambda: shop.get(path, as_).json()["state"] != "running")
    return dict(shop.get(path, as_).json())


def test_a_check_that_takes_longer_is_answered_later(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        begun = shop.check("run-1")
        assert begun.status_code == 202 and begun.headers["retry-after"] == "2"
        path = begun.headers["location"]
        assert path == f"/api/jobs/{JOB}/checks/{begun.json()['id']}"
        running = shop.get(path, "pipeline")
        assert running.json()["state"] == "running" and running.headers["retry-after"] == "2"
        assert running.json()["answer"] is running.json()["problem"] is running.json()["summary"] is None
        gate.opened.set()
        told = ended(shop, path)
        assert told["state"] == "done" and told["problem"] is None
        assert told["summary"] == {"verdict": "proceed", "why": told["answer"]["why"], "exit_code": 0}
        clearance = told["answer"]["clearance"]
        assert clearance
        seen_by_another = shop.get(path, "pipeline2")
        assert seen_by_another.json()["answer"]["clearance"] is None and clearance not in seen_by_another.text
        assert shop.get(path, "other-pipeline").status_code == shop.get(path, "reader").status_code == 403
        assert shop.get(path.replace("/checks/", "/records/"), "pipeline").status_code == 404
        assert shop.get(f"/api/jobs/{JOB}/checks/call-none", "pipeline").status_code == 404
        rows = shop.telling.guard.store.list(JOB, "call")
        assert clearance not in str([row.body for row in rows])


def test_a_record_that_takes_longer_is_answered_later(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        begun = shop.post(f"/api/jobs/{JOB}/records", {"resources": [VNET]}, "pipeline")
        assert begun.status_code == 202
        assert begun.headers["location"] == f"/api/jobs/{JOB}/records/{begun.json()['id']}"
        gate.opened.set()
        told = ended(shop, begun.headers["location"])
        assert told["state"] == "done" and told["answer"]["proposal"] == told["summary"]["proposal"]


def test_a_halt_and_an_error_are_told_later_too(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        set_dns(shop.telling, "10.20.0.99")
        first, second = shop.check("run-1"), shop.check("run-2", resources=[NAT])
        gate.opened.set()
        halted = ended(shop, first.headers["location"])
        assert halted["state"] == "done" and halted["answer"]["exit_code"] == 1
        assert halted["summary"]["halt"] == halted["answer"]["halt"]["id"]
        failed = ended(shop, second.headers["location"])
        assert failed["state"] in ("failed", "done")


def test_a_fault_on_the_way_is_told_without_its_text(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):

        def broken(*_: Any, **__: Any) -> Any:
            assert gate.opened.wait(60)
            raise ZeroDivisionError("a secret stands here")

        gate.read = broken  # type: ignore[method-assign]  # reason: a reader that fails
        begun = shop.check("run-1")
        gate.opened.set()
        told = ended(shop, begun.headers["location"])
        assert told["state"] == "failed" and told["answer"] is None
        assert told["problem"]["type"] == "urn:driftguard:problem:internal-fault"
        assert "secret" not in str(told)


def test_a_call_whose_process_ended_is_lost_and_one_that_works_is_not(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        path = shop.check("run-1").headers["location"]
        heart = shop.app.state.long_calls.heart
        for _ in range(5):
            shop.telling.advance(seconds=45)
            heart.beat()
        assert shop.get(path, "pipeline").json()["state"] == "running"
        shop.telling.advance(seconds=61)
        lost = shop.get(path, "pipeline").json()
        assert lost["state"] == "lost" and lost["answer"] is None
        gate.opened.set()
        # It was not lost after all.
        until(lambda: shop.get(path, "pipeline").json()["state"] == "done")


def test_an_end_that_could_not_be_written_is_written_by_a_later_beat(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        path = shop.check("run-1").headers["location"]
        heart = shop.app.state.long_calls.heart
        held = heart._held[0]
        whole = held.guard

        class Down:
            def commit(self, *_: Any) -> Any:
                raise StoreUnavailable("the disk is full", "free space")

        held.guard = replace(whole, store=Down())
        gate.opened.set()
        until(lambda: held.outcome is not None and held.tries > 0)
        assert shop.get(path, "pipeline").json()["state"] == "running"
        held.guard = whole
        heart.beat()
        assert shop.get(path, "pipeline").json()["state"] == "done"
        assert not heart._held


def test_a_scan_is_told_to_the_one_who_asked(shop: Shop) -> None:
    set_dns(shop.telling, "10.20.0.99")
    begun = shop.post("/api/scans", {}, "pipeline")
    assert begun.status_code == 202
    told = ended(shop, begun.headers["location"])
    assert [(one["job"], one["verdict"]) for one in told["answer"]["jobs"]] == [(JOB, "halt")]
    assert shop.get(begun.headers["location"], "pipeline2").status_code == 404
    assert shop.post("/api/scans", {"jobs": ["other-prod"]}, "pipeline").status_code == 403
    assert shop.post("/api/scans", {"jobs": ["shop-none"]}, "pipeline").status_code == 404
    nothing = shop.post("/api/scans", {}, "other-pipeline").headers["location"]
    assert ended(shop, nothing, "other-pipeline")["answer"]["jobs"] == []
    everything = shop.post("/api/scans", {}, "local").headers["location"]
    assert len(ended(shop, everything, "local")["answer"]["jobs"]) == 1


def test_a_scan_counts_the_notes_of_the_caller_s_jobs_only(shop: Shop) -> None:
    tried: list[str] = []

    class Down:
        name, claim = "down", 0.0

        def deliver(self, note: Any) -> Any:
            tried.append(note.job)
            raise Unavailable("the ticket system is down", "try again later")

    shop.telling.guard = replace(shop.telling.guard, targets={"down": Down()})
    shop.halted()
    shop.telling.advance(hours=2)  # the note is due again
    tried.clear()
    begun = shop.post("/api/scans", {}, "other-pipeline")
    assert ended(shop, begun.headers["location"], "other-pipeline")["answer"]["notes_waiting"] == 0
    assert tried == [JOB], "it was sent all the same"


def test_two_hundred_checks_at_once_are_all_answered_and_health_meanwhile(tmp_path: Path) -> None:
    with slow_shop(tmp_path, answer_within=1.0) as (shop, gate):
        statuses: list[int] = []

        def ask(number: int) -> None:
            statuses.append(shop.check(f"run-{number}", gate=True).status_code)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        assert shop.get("/healthz", None).status_code == 200
        assert shop.get(f"/api/jobs/{JOB}").status_code == 200
        assert time.monotonic() - began < 20
        for thread in threads:
            thread.join()
        gate.opened.set()
        assert statuses == [202] * 200
        store = shop.telling.guard.store
        until(lambda: all(row.body["state"] != "running" for row in store.list(JOB, CALL)), seconds=120)
        assert [row.body["state"] for row in store.list(JOB, CALL)] == ["done"] * 200


def test_more_work_than_can_wait_is_refused() -> None:
    gate = threading.Event()
    workers = Workers("few", threads=2, waiting=3)
    futures = [workers.submit(gate.wait) for _ in range(5)]
    with pytest.raises(Unavailable):
        workers.submit(gate.wait)
    gate.set()
    assert all(future.result(10) for future in futures)
    assert workers.submit(lambda: 7).result(10) == 7


def test_work_of_one_key_waits_for_its_own_kind_and_holds_up_no_other() -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hold() -> bool:
        begun.release()
        return gate.wait(30)

    workers = Workers("few", threads=4, waiting=100, of_one_key=2)
    held = [workers.submit(hold, "a") for _ in range(20)]
    assert begun.acquire(timeout=10) and begun.acquire(timeout=10)
    assert workers.submit(lambda: 7, "b").result(10) == 7
    assert not begun.acquire(timeout=0.2), "only two of one key work"
    gate.set()
    assert all(future.result(10) for future in held)


def test_of_one_key_only_so_many_may_be_open() -> None:
    gate = threading.Event()
    workers = Workers("few", threads=4, waiting=100, of_one_key=2, open_of_one_key=5)
    held = [workers.submit(gate.wait, "a") for _ in range(5)]
    with pytest.raises(Unavailable, match="of yours"):
        workers.submit(gate.wait, "a")
    assert workers.submit(lambda: 7, "b").result(10) == 7
    gate.set()
    assert all(future.result(10) for future in held)
    assert workers.submit(lambda: 7, "a").result(10) == 7


def test_slow_explains_of_one_caller_hold_up_neither_a_202_nor_another_reader(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        path = f"/api/jobs/{JOB}/explain?resource={VNET}"
        with ThreadPoolExecutor(60) as pool:
            explains = [pool.submit(shop.get, path) for _ in range(40)]
            until(lambda: shop.app.state.long_calls.reading._open == 24)
            began = shop.check("run-1")
            assert began.status_code == 202
            shop.telling.guard = replace(shop.telling.guard, reader=gate._reader)
            assert shop.get(path, "dana").status_code == 200
            gate.opened.set()
            statuses = Counter(one.result(60).status_code for one in explains)
        assert statuses == {200: 24, 503: 16}


def test_a_call_that_cannot_be_written_down_says_that_it_goes_on(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        whole = shop.telling.guard

        class Full:
            def __getattr__(self, name: str) -> Any:
                return getattr(whole.store, name)

            def commit(self, partition: str, writes: Any) -> Any:
                if any(write.kind == CALL for write in writes):
                    raise StoreUnavailable("the disk is full", "free space")
                return whole.store.commit(partition, writes)

        shop.telling.guard = replace(whole, store=Full())
        told = shop.check("run-1")
        assert (told.status_code, told.json()["type"]) == (503, "urn:driftguard:problem:unavailable")
        assert "the check goes on" in told.json()["detail"] and "ask again" in told.json()["title"]
        assert told.json()["exit_code"] == 2
        shop.telling.guard = whole
        gate.opened.set()
        until(lambda: shop.get(f"/api/jobs/{JOB}").json()["lease"] is not None)
        assert shop.check("run-1").json()["clearance"]


def test_a_call_tells_when_it_was_submitted(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, _):
        submitted = shop.telling.guard.clock.now()
        clock = shop.telling.guard.clock
        told = shop.check("run-1").json()
        assert told["started_at"] == to_text(submitted) and clock.now() == submitted


def test_a_client_that_goes_away_loses_nothing(tmp_path: Path) -> None:
    """The check goes on, and the run that asks again is given what it had been given."""
    with slow_shop(tmp_path, answer_within=60) as (shop, gate):
        import asyncio

        async def gone() -> None:
            request = shop.client._http.post(
                f"/api/jobs/{JOB}/checks", json={"run": "run-1"}, headers={"Authorization": "Bearer pipeline"}
            )
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(request, 0.5)

        asyncio.run_coroutine_threadsafe(gone(), shop.client._loop).result(30)
        gate.opened.set()
        until(lambda: shop.get(f"/api/jobs/{JOB}").json()["lease"] is not None)
        again = shop.check("run-1")
        assert again.status_code == 200 and again.json()["clearance"]


def test_a_service_over_the_same_store_answers_for_it(tmp_path: Path) -> None:
    with slow_shop(tmp_path) as (shop, gate):
        path = shop.check("run-1").headers["location"]
        other = over(shop.telling)
        try:
            assert other.get(path, "pipeline").json()["state"] == "running"
            gate.opened.set()
            assert ended(other, path)["answer"]["clearance"]
        finally:
            other.client.close()
