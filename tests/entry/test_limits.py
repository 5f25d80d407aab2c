"""How much a verb takes is one and the same in process and through a service, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry import limits
from driftguard.entry.http import layers
from driftguard.entry.in_process import InProcess
from driftguard.entry.verbs import JobChange, Verbs
from driftguard.errors import DriftGuardError, WrongUse
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.answer import Ask
from driftguard.guard.recorded import Naming, Recording
from driftguard.guard.review import Confirming, Deciding
from tests.contracts.test_verbs_contract import through_a_service
from tests.entry.http.service import Shop, shop
from tests.world import JOB, VNET

DANA = Person("dana@contoso.com", asserted=True)
LONG = "x" * (limits.NAME + 1)
MANY = (VNET,) * (limits.RESOURCES + 1)
HALT = "h-000000000000"

TOO_MUCH: dict[str, Callable[[Verbs], Any]] = {
    "no run": lambda v: v.check(Ask(JOB, "")),
    "run": lambda v: v.check(Ask(JOB, LONG)),
    "stage": lambda v: v.check(Ask(JOB, "r", stage=LONG)),
    "ticket": lambda v: v.check(Ask(JOB, "r", ticket=LONG)),
    "ticket that is no text": lambda v: v.check(Ask(JOB, "r", ticket="\udcff")),
    "who started the run": lambda v: v.check(Ask(JOB, "r", started_by=Person(LONG, asserted=True))),
    "resources of a check": lambda v: v.check(Ask(JOB, "r", resources=MANY)),
    "id of a resource": lambda v: v.check(Ask(JOB, "r", resources=(VNET + "x" * 2048,))),
    "id of a resource that is no text": lambda v: v.check(Ask(JOB, "r", resources=(VNET + "\udcff",))),
    "clearance of a record": lambda v: v.record(Recording(JOB, "r", LONG)),
    "scopes of a record": lambda v: v.record(Recording(JOB, "r", naming=Naming(scopes=MANY))),
    "resources of a record": lambda v: v.record(Recording(JOB, "r", naming=Naming(resources=(VNET,) * 200_001))),
    "characters of a record": lambda v: v.record(Recording(JOB, "r", naming=Naming(resources=("/" * 2000,) * 15_001))),
    "reason": lambda v: v.decide(Deciding(HALT, Decision.KEEP, "x" * 2001, DANA)),
    "code of a decision": lambda v: v.decide(Deciding(HALT, Decision.KEEP, "x", DANA, in_code="x" * 1001)),
    "resources of a decision": lambda v: v.decide(Deciding(HALT, Decision.KEEP, "x", DANA, MANY)),
    "name of a reviewer": lambda v: v.confirm(Confirming(HALT, "abc1234", Person(LONG, asserted=True))),
    "run of a confirmation": lambda v: v.confirm(Confirming(HALT, "abc1234", DANA, for_run=LONG)),
    "resources to retire": lambda v: v.retire(JobChange(JOB, DANA, "x", MANY)),
    "resources to move": lambda v: v.move(JobChange(JOB, DANA, "x", MANY), "other"),
    "path to explain": lambda v: v.explain(JOB, VNET, "x" * 2049),
    "jobs to scan": lambda v: v.scan([JOB] * 1001),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_too_much_is_refused_in_the_same_words_in_process_and_through_a_service(what: str, tmp_path: Path) -> None:
    with through_a_service(tmp_path) as there:
        assert refusal(there.verbs, what) == refusal(InProcess(there.world.guard), what)


def refusal(verbs: Verbs, what: str) -> tuple[str, str, str]:
    with pytest.raises(DriftGuardError) as raised:
        TOO_MUCH[what](verbs)
    error = raised.value
    assert isinstance(error, WrongUse) and "\n" not in str(error)
    return error.problem, error.message, error.remedy


BODIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "run": ("checks", {"run": LONG}, "run is longer than 256"),
    "resources": ("checks", {"run": "r", "resources": list(MANY)}, "more than 2000 resources"),
    "scopes": ("records", {"scopes": list(MANY)}, "more than 2000 scopes"),
}


@pytest.mark.parametrize("what", BODIES)
def test_another_client_is_refused_by_the_verb_too(what: str, tmp_path: Path) -> None:
    call, body, told = BODIES[what]
    with shop(tmp_path) as service:
        answer = service.post(f"/api/jobs/{JOB}/{call}", body, "pipeline")
    assert answer.status_code == 400 and answer.json()["type"].endswith(":wrong-use")
    assert told in answer.json()["detail"]


def test_what_the_verbs_take_at_most_fits_into_a_request() -> None:
    escaped, between = 6, 4
    named = limits.RESOURCES * (limits.ID + between)
    texts = (2000 + limits.REFERENCE + 8 * limits.NAME) * escaped
    assert named + texts < layers.MOST_OF_MANY
    assert limits.RECORDED_CHARACTERS + limits.RECORDED * between + texts < layers.MOST_OF_A_RECORD
    assert limits.JOBS * 104 < layers.MOST_OF_MANY


def test_a_call_that_names_many_resources_is_read_whole(tmp_path: Path) -> None:
    with shop(tmp_path) as service:
        for path, body in many(service):
            answer = service.post(path, body, "local", If_Match=service.job_tag())
            assert answer.status_code not in (413, 422), path


def many(service: Shop) -> list[tuple[str, dict[str, Any]]]:
    ids = [f"{VNET}-{number}" for number in range(limits.RESOURCES)]
    halt = service.halted()["id"]
    return [
        (f"/api/jobs/{JOB}/checks", {"run": "run-1", "resources": ids}),
        (f"/api/jobs/{JOB}/retire", {"reason": "x", "resources": ids}),
        (f"/api/jobs/{JOB}/move", {"to": "other", "reason": "x", "resources": ids}),
        (f"/api/halts/{halt}/decisions", {"decision": "keep", "reason": "x", "resources": ids}),
    ]
