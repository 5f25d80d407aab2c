"""The scopes of a job: nothing outside is read for a record, or becomes part of the job."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftguard.errors import NotAllowed
from driftguard.flow.policy import JobPolicy
from driftguard.flow.resource import is_within, parse_ref
from driftguard.guard.job_scopes import require_inside
from driftguard.guard.jobs import accept, move
from driftguard.guard.record import Naming
from tests.scenarios.steps import BOTH, GROUP, NAT, deploy, job_row, recorded_fingerprints, story
from tests.world import DANA, JOB, NETWORK, VNET, World

ELSEWHERE = NETWORK.replace("rg-shop-network", "rg-shop")


def scoped(shop: World, *scopes: str, job: str = JOB) -> None:
    shop.with_policy(
        "version: 1\ndefaults: {stability_gap: 0s, settle: 0s}\n"
        f"jobs: [{{match: {job}, scopes: [{', '.join(scopes)}]}}]\n"
    )


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        (VNET, True),
        (VNET.upper(), True),
        (NETWORK, True),
        (NETWORK.partition("/resourceGroups")[0], True),
        (NAT, False),
        (VNET[:-1], False),
        (NETWORK[:-1], False),
        (f"{VNET}/subnets/web", False),
    ],
)
def test_a_resource_is_inside_a_scope_segment_by_segment(scope: str, inside: bool) -> None:
    assert is_within(parse_ref(VNET).key, parse_ref(scope).key) is inside


def test_without_scopes_there_is_no_limit_and_an_empty_list_lets_nothing_in() -> None:
    require_inside(JobPolicy(), [parse_ref(VNET)])
    with pytest.raises(NotAllowed):
        require_inside(JobPolicy(scopes=()), [parse_ref(VNET)])


@pytest.mark.parametrize(
    "naming",
    [BOTH, GROUP, Naming(resources=(VNET,), scopes=(ELSEWHERE,)), Naming(resources=(VNET.replace("vnet-", "v"),))],
    ids=["a resource", "a group", "another group", "what is not there"],
)
def test_a_record_that_names_something_outside_is_refused_and_nothing_is_read_or_written(
    tmp_path: Path, naming: Naming
) -> None:
    with story(tmp_path) as shop:
        scoped(shop, VNET)
        with pytest.raises(NotAllowed, match="outside the scopes") as refused:
            shop.record(None, naming=naming)
        assert "`scopes`" in refused.value.remedy
        assert job_row(shop).generation == 0 and not shop.guard.store.partitions()
        shop.first_record(VNET)
        assert list(recorded_fingerprints(shop)) == [VNET.lower()]


def test_a_deployment_inside_that_wrote_something_outside_is_not_recorded(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        deployment = deploy(shop, VNET, NAT)
        group = f"{NETWORK}/providers/Microsoft.Resources/deployments/release"
        assert deployment.lower() == group.lower()
        scoped(shop, VNET, group)
        with pytest.raises(NotAllowed, match="nat-shop"):
            shop.record(None, naming=Naming(deployments=(deployment,)))
        scoped(shop, VNET, NAT)
        with pytest.raises(NotAllowed, match="deployments/release"):
            shop.record(None, naming=Naming(deployments=(deployment,)))
        scoped(shop, NETWORK)
        shop.record(None, naming=Naming(deployments=(deployment,)))
        assert len(recorded_fingerprints(shop)) == 2


def test_what_was_recorded_before_there_were_scopes_is_checked_and_not_recorded_again(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        shop.advance(minutes=1)
        scoped(shop, VNET)
        assert shop.check().clearance
        with pytest.raises(NotAllowed, match="nat-shop"):
            shop.record("run-1", naming=Naming(resources=(VNET,)))


def test_a_resource_outside_does_not_move_into_the_job(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET, NAT)
        scoped(shop, NAT, job="other")
        with pytest.raises(NotAllowed, match="gives the job other"):
            move(shop.guard, JOB, "other", by=DANA, reason="x", resources=(VNET,))
        assert len(recorded_fingerprints(shop)) == 2 and not job_row(shop, "other").generation
        move(shop.guard, JOB, "other", by=DANA, reason="x", resources=(NAT,))


def test_a_proposal_with_a_resource_outside_is_not_accepted(tmp_path: Path) -> None:
    with story(tmp_path) as shop:
        shop.first_record(VNET)
        shop.advance(minutes=1)
        proposal = shop.record(None, naming=BOTH).proposal or ""
        scoped(shop, VNET)  # narrower than when it was proposed
        with pytest.raises(NotAllowed, match="nat-shop"):
            accept(shop.guard, JOB, proposal, by=DANA, reason="x")
