"""A clearance belongs to the caller that was given it: the name of a run is no secret. And whose resources a service reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.guard.rows import Lease
from tests.entry.http.service import POLICY, Shop, shop
from tests.scenarios.steps import NAT, deploy, job_row
from tests.world import JOB, VNET

RECORDS = f"/api/jobs/{JOB}/records"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Shop]:
    with shop(tmp_path) as made:
        yield made


def test_a_run_of_the_same_name_by_another_caller_is_another_run(opened: Shop) -> None:
    first = opened.check("4711").json()
    assert first["clearance"]
    other = opened.check("4711", as_="pipeline2")
    assert (other.status_code, other.json()["type"]) == (409, "urn:driftguard:problem:busy")
    assert "clearance" not in other.json()
    assert opened.check("4711").json()["clearance"] == first["clearance"], "it is renewed for whoever holds it"


def test_who_only_knows_the_name_of_a_run_does_not_record_for_it(opened: Shop) -> None:
    opened.check("4711")
    deploy(opened.telling, VNET, dhcpOptions={"dnsServers": ["10.20.0.5"]})
    body = {"run": "4711", "resources": [VNET]}
    refused = opened.post(RECORDS, body, "pipeline2")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:driftguard:problem:busy")
    assert job_row(opened.telling).generation == 1
    assert opened.post(RECORDS, body, "pipeline").json()["generation"] == 2


def test_after_the_lease_the_name_of_a_run_is_a_proposal_for_everybody_else(opened: Shop) -> None:
    opened.check("4711")
    opened.telling.advance(hours=5)
    body = {"run": "4711", "resources": [VNET]}
    assert opened.post(RECORDS, body, "pipeline2").json()["proposal"]
    assert opened.post(RECORDS, body, "pipeline").json()["generation"] == 2


def test_whoever_has_the_clearance_itself_records_and_releases(opened: Shop) -> None:
    clearance = opened.check("4711").json()["clearance"]
    body = {"run": "4711", "clearance": clearance, "resources": [VNET]}
    assert opened.post(RECORDS, body, "pipeline2").json()["generation"] == 2
    clearance = opened.check("4712").json()["clearance"]
    release = f"/api/jobs/{JOB}/release"
    assert opened.post(release, {"clearance": clearance}, "other-pipeline").status_code == 403, "bound to other jobs"
    assert opened.post(release, {"clearance": clearance}, "pipeline2").json()["lease"] is None


def test_a_local_service_and_the_command_line_work_on_the_same_lease(opened: Shop) -> None:
    clearance = opened.check("4711", as_="local").json()["clearance"]
    assert opened.telling.check("4711").clearance == clearance
    assert opened.telling.record("4711").generation == 2
    assert opened.telling.check("4712").clearance
    assert opened.post(RECORDS, {"run": "4712", "resources": [VNET]}, "local").json()["generation"] == 3


def test_a_lease_that_was_written_before_there_were_callers_is_read(opened: Shop) -> None:
    old: dict[str, Any] = {"clearance": "c-1", "run": "1", "until": "x", "read_at": "y", "halt": "", "observed": False}
    assert Lease(**old).is_of("1", "")
    assert not Lease(**old).is_of("1", "somebody") and not Lease(**old).is_of(None, "")


def test_a_pipeline_does_not_record_what_lies_outside_the_scopes_of_its_job(opened: Shop) -> None:
    telling = opened.telling
    telling.with_policy(POLICY.replace('- match: "other-*"\n', f'- match: "other-*"\n    scopes: [{NAT}]\n'))
    policy = telling.guard.policy()
    telling.guard = replace(telling.guard, policy=lambda: policy)
    theirs = "/api/jobs/other-x/records"
    refused = opened.post(theirs, {"resources": [VNET]}, "other-pipeline")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:driftguard:problem:not-allowed")
    assert not job_row(telling, "other-x").generation
    assert opened.post(theirs, {"resources": [NAT]}, "other-pipeline").status_code == 201
