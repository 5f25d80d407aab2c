"""The answer of a scan holds what was found of many jobs: it goes when more of that counts as a secret."""

from __future__ import annotations

from pathlib import Path

from driftguard.guard import calls
from driftguard.guard.calls import Outcome
from driftguard.guard.reseal import reseal
from driftguard.guard.rows import CALL
from driftguard.guard.scan import gate_every_job
from driftguard.render.json_views import scan_view
from tests.scenarios.steps import ROBS_DNS, set_dns, story
from tests.world import JOB, VNET

REDACT = 'rules: [{name: r, match: {type: "*"}, redact: [properties.dhcpOptions], reason: x, owner: y}]'


def test_what_a_scan_found_is_forgotten_when_a_job_is_sealed_under_other_rules(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET)
        set_dns(shop, ROBS_DNS)
        begun = calls.begin(shop.guard, calls.SCANS, "scan", "somebody")
        calls.finish(shop.guard, begun, Outcome(scan_view(gate_every_job(shop.guard))))
        row = shop.guard.store.get(calls.SCANS, CALL, begun.id)
        assert row and ROBS_DNS in str(row.body)
        shop.with_policy(f"version: 1\n{REDACT}\n")
        reseal(shop.guard, JOB, shop.guard.policy())
        row = shop.guard.store.get(calls.SCANS, CALL, begun.id)
        assert row and ROBS_DNS not in str(row.body)
        assert calls.look(shop.guard, calls.SCANS, "scan", begun.id, "somebody").state == calls.LOST
