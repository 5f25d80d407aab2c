"""A scan judges every job, whatever is wrong with one of them."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.errors import BadConfiguration, CannotTell
from driftguard.flow.ports import Row, Store
from driftguard.guard import index
from driftguard.guard.rows import JOB
from driftguard.guard.scan import ScanReport, gate_every_job
from tests.scenarios.steps import NAT, ROBS_DNS, halted, job_row, set_dns, story
from tests.world import VNET, World

DAMAGED = [b'[{"x": 1}]', b"5", b"{}", b"[]", b"not JSON"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """Two jobs, one of which is halted."""
    with story(tmp_path) as telling:
        telling.first_record(VNET, job="a-job")
        telling.first_record(NAT, job="z-job")
        set_dns(telling, ROBS_DNS)
        halted(telling.check(job="a-job"))
        yield telling


def damage(telling: World, key: str, text: bytes) -> None:
    connection = sqlite3.connect(telling.folder / "store.db")
    with connection:
        changed = connection.execute("update blobs set data=? where key=?", (gzip.compress(text), key))
        assert changed.rowcount == 1
    connection.close()


def judged(report: ScanReport) -> dict[str, str]:
    return {answer.job: str(answer.verdict) for answer in report.answers}


@pytest.mark.parametrize("text", DAMAGED)
@pytest.mark.parametrize("what", ["findings", "baseline"])
def test_a_damaged_blob_of_one_job_is_that_jobs_error(shop: World, what: str, text: bytes) -> None:
    row = shop.check(job="a-job").halt
    assert row
    damage(shop, {"findings": row.findings, "baseline": job_row(shop, "a-job").baseline}[what], text)
    report = gate_every_job(shop.guard)
    assert judged(report) == {"z-job": "proceed"}
    assert report.could_not_tell == ("a-job",) and report.summary()["jobs"] == 2


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_memory_is_forgotten_and_the_job_is_judged(shop: World, text: bytes) -> None:
    damage(shop, job_row(shop, "a-job").memory, text)
    report = gate_every_job(shop.guard)
    assert judged(report) == {"a-job": "halt", "z-job": "proceed"} and not report.errors


class Faulty:
    """A store that hands out the row of one job in a form that nobody foresaw."""

    def __init__(self, store: Store, job: str) -> None:
        self._store, self._job = store, job

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, partition: str, kind: str, row_id: str) -> Row | None:
        row = self._store.get(partition, kind, row_id)
        return replace(row, body={"secret": "hunter2"}) if row and (partition, kind) == (self._job, JOB) else row


def test_an_unforeseen_fault_of_one_job_is_its_error_and_never_a_success(shop: World) -> None:
    shop.guard = replace(shop.guard, store=Faulty(shop.guard.store, "a-job"))
    report = gate_every_job(shop.guard)
    assert judged(report) == {"z-job": "proceed"}
    assert set(report.could_not_tell) == {"a-job", index.INDEX} and report.summary()["jobs"] == 2
    fault = report.errors["a-job"]
    assert isinstance(fault, CannotTell) and "TypeError" in str(fault) and "hunter2" not in str(fault)


def test_a_wrong_policy_concerns_all_jobs(shop: World) -> None:
    shop.with_policy("version: 1\nmore: x\n")
    with pytest.raises(BadConfiguration):
        gate_every_job(shop.guard)
