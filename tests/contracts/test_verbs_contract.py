"""The contract of the verbs: in process and through a service, the same story is told in the same words.

Two equal worlds live through the same story, one asked in process, one through the HTTP interface. Every answer is compared
as JSON, every error by its kind, message, remedy and exit code. Ids that are given out one after the other are compared by
the order in which they appear, since looking for a kept change through a service is a check more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.client.address import service_address
from driftguard.entry.client.sign_in import SignIn
from driftguard.entry.client.transport import Transport
from driftguard.entry.in_process import InProcess
from driftguard.entry.remote import Remote
from driftguard.entry.verbs import JobChange, Verbs
from driftguard.errors import DriftGuardError
from driftguard.flow.halt import Decision
from driftguard.flow.review import Person
from driftguard.guard.answer import Ask
from driftguard.guard.recorded import Naming, Recording
from driftguard.guard.review import Confirming, Deciding
from driftguard.system_clock import SystemClock
from tests.scenarios.steps import BOTH, NAT, ROBS_DNS, SHOP_DNS, deploy, set_dns, set_timeout, story
from tests.served import TOKEN, served
from tests.world import DANA, ERIN, JOB, VNET, World

PIPELINE = Person("pipeline-user", asserted=True)
COMMIT = "0ddba11"
GONE = VNET.replace("vnet-shop", "vnet-elsewhere")
# No time passes while something is looked at: a check through a service may take one check more.
CALM = "{unknown_author: allow, stability_gap: 0s, settle: 0s}"
WHY = "agreed in the change board"


@dataclass
class Teller:
    """One side of the contract: the verbs, their world, and what the story has come to know."""

    verbs: Verbs
    world: World
    known: dict[str, str] = field(default_factory=dict)

    def check(self, run: str, **more: Any) -> dict[str, Any]:
        view = self.verbs.check(Ask(more.pop("job", JOB), run, started_by=PIPELINE, **more))
        if view["clearance"]:
            self.known["clearance"] = view["clearance"]
        if view["halt"]:
            self.known["halt"] = view["halt"]["id"]
        return view

    def record(self, run: str | None, *, clearance: str | None = None, naming: Naming = BOTH, job: str = JOB) -> Any:
        view = self.verbs.record(Recording(job, run, clearance, naming, started_by=PIPELINE))
        if view["proposal"]:
            self.known["proposal"] = view["proposal"]
        return view

    def decide(self, decision: Decision, by: Person = DANA, **more: Any) -> Any:
        return self.verbs.decide(Deciding(self.known["halt"], decision, more.pop("reason", WHY), by, **more))

    def change(self, reason: str = WHY, **more: Any) -> JobChange:
        return JobChange(more.pop("job", JOB), more.pop("by", DANA), reason, **more)

    def with_policy(self, text: str) -> None:
        self.world.with_policy(f"version: 1\n{text}")
        guard = self.world.guard
        self.world.guard = replace(guard, policy=cache(guard.policy))  # a service reads its file once


def by_hand(teller: Teller, server: str, minutes: int) -> None:
    """Rob changes both resources."""
    set_dns(teller.world, server)
    set_timeout(teller.world, minutes)


Step = Callable[[Teller], Any]

# What is asked, in this order; a step that answers nothing is what happens in the world meanwhile.
STORY: list[tuple[str, Step]] = [
    ("the policy", lambda t: t.with_policy(f"defaults: {CALM}\n")),
    ("jobs: none", lambda t: t.verbs.jobs()),
    ("job: unknown", lambda t: t.verbs.job(JOB)),
    ("job: no name", lambda t: t.verbs.job("../x")),
    ("check: nothing recorded", lambda t: t.check("run-1")),
    ("check: no name", lambda t: t.check("run-1", job="a b")),
    ("record: nothing that is there", lambda t: t.record(None, naming=Naming(resources=(GONE,)))),
    ("record: no id", lambda t: t.record(None, naming=Naming(resources=("vnet",)))),
    ("record: the first", lambda t: t.record(None)),
    ("jobs: one", lambda t: t.verbs.jobs()),
    ("job", lambda t: t.verbs.job(JOB)),
    ("check: proceed", lambda t: t.check("run-1")),
    ("check: busy", lambda t: t.check("run-2")),
    ("check: gate, busy", lambda t: t.check("run-1", gate=True)),
    ("retire: busy", lambda t: t.verbs.retire(t.change())),
    ("release: another clearance", lambda t: t.verbs.release(t.change("", clearance="000099", by=PIPELINE))),
    (
        "release: the run's own, stale",
        lambda t: t.verbs.release(t.change("", clearance=t.known["clearance"], by=PIPELINE, if_match="1")),
    ),
    ("release: the run's own", lambda t: t.verbs.release(t.change("", clearance=t.known["clearance"], by=PIPELINE))),
    ("release: no lease", lambda t: t.verbs.release(t.change())),
    ("check: named resources", lambda t: t.check("run-1", resources=(VNET,))),
    ("check: named, not recorded", lambda t: t.check("run-1", resources=(GONE,))),
    ("check: named, no id", lambda t: t.check("run-1", resources=("vnet",))),
    ("record: no clearance, a proposal", lambda t: t.record("run-3")),
    ("proposals", lambda t: t.verbs.proposals(None)),
    ("proposals: of the job", lambda t: t.verbs.proposals(JOB)),
    ("proposals: of an unknown job", lambda t: t.verbs.proposals("nobody")),
    ("accept: no such proposal", lambda t: t.verbs.accept(t.change(), "000999")),
    ("accept: what is no id", lambda t: t.verbs.accept(t.change(), "../x")),
    ("accept: four eyes", lambda t: t.verbs.accept(t.change(by=PIPELINE), t.known["proposal"])),
    ("accept: no reason", lambda t: t.verbs.accept(t.change("  "), t.known["proposal"])),
    ("accept", lambda t: t.verbs.accept(t.change(), t.known["proposal"])),
    ("accept: final", lambda t: t.verbs.accept(t.change(), t.known["proposal"])),
    ("check: to release by a reviewer", lambda t: t.check("run-4")),
    ("release: no reason", lambda t: t.verbs.release(t.change(""))),
    ("release: stale", lambda t: t.verbs.release(t.change(if_match="1"))),
    ("release: what is no version", lambda t: t.verbs.release(t.change(if_match='"1"'))),
    ("release", lambda t: t.verbs.release(t.change())),
    ("unhold: no hold", lambda t: t.verbs.unhold(t.change())),
    ("hold: no reason", lambda t: t.verbs.hold(t.change(" "))),
    ("hold: stale", lambda t: t.verbs.hold(t.change(if_match="1"))),
    ("hold: an unknown job", lambda t: t.verbs.hold(t.change(job="nobody"))),
    ("hold", lambda t: t.verbs.hold(t.change())),
    ("hold: held already", lambda t: t.verbs.hold(t.change())),
    ("jobs: under hold", lambda t: t.verbs.jobs()),
    ("unhold: stale", lambda t: t.verbs.unhold(t.change(if_match="1"))),
    ("unhold", lambda t: t.verbs.unhold(t.change("the case is closed"))),
    ("halts: none", lambda t: t.verbs.halts(None, all_states=False)),
    ("halt: unknown", lambda t: t.verbs.halt("h-000000000000", None)),
    ("halt: no id", lambda t: t.verbs.halt("../x", None)),
    ("Rob sets a DNS server", lambda t: set_dns(t.world, ROBS_DNS)),
    ("explain", lambda t: t.verbs.explain(JOB, VNET, None)),
    ("explain: a path", lambda t: t.verbs.explain(JOB, VNET, "properties.dhcpOptions")),
    ("explain: a name", lambda t: t.verbs.explain(JOB, "vnet-shop", None)),
    ("explain: not recorded", lambda t: t.verbs.explain(JOB, GONE, None)),
    ("explain: unknown job", lambda t: t.verbs.explain("nobody", VNET, None)),
    ("check: halt", lambda t: t.check("run-5", ticket="CHG1", stage="deploy")),
    ("check: gate, halt", lambda t: t.check("run-5", gate=True)),
    ("halts: one", lambda t: t.verbs.halts(None, all_states=False)),
    ("halts: of the job", lambda t: t.verbs.halts(JOB, all_states=True)),
    ("halts: of an unknown job", lambda t: t.verbs.halts("nobody", all_states=True)),
    ("halts: of what is no job", lambda t: t.verbs.halts("a/b", all_states=True)),
    ("halt", lambda t: t.verbs.halt(t.known["halt"], None)),
    ("halt: shortened", lambda t: t.verbs.halt(t.known["halt"][:8], 1)),
    ("halt: no such evidence", lambda t: t.verbs.halt(t.known["halt"], 9)),
    ("evidence", lambda t: json.loads(t.verbs.evidence(t.known["halt"], None))),
    ("evidence: a version", lambda t: json.loads(t.verbs.evidence(t.known["halt"], 1))),
    ("evidence: no such version", lambda t: t.verbs.evidence(t.known["halt"], 9)),
    ("deliveries", lambda t: t.verbs.deliveries(None, all_states=False)),
    ("deliveries: all", lambda t: t.verbs.deliveries(None, all_states=True)),
    ("deliveries: of the job", lambda t: t.verbs.deliveries(JOB, all_states=True)),
    ("deliveries: of an unknown job", lambda t: t.verbs.deliveries("nobody", all_states=True)),
    ("scan: halt", lambda t: t.verbs.scan(None)),
    ("scan: of the job", lambda t: t.verbs.scan([JOB])),
    ("scan: of an unknown job", lambda t: t.verbs.scan(["nobody"])),
    ("retire: halt open", lambda t: t.verbs.retire(t.change())),
    ("record: halt open", lambda t: t.record("run-5", clearance=t.known["clearance"])),
    ("decide: unknown halt", lambda t: t.verbs.decide(Deciding("h-000000000000", Decision.STOP, WHY, DANA))),
    ("decide: no reason", lambda t: t.decide(Decision.OVERWRITE, reason="")),
    ("decide: stale", lambda t: t.decide(Decision.OVERWRITE, if_match="1")),
    ("decide: another evidence", lambda t: t.decide(Decision.OVERWRITE, evidence=7)),
    ("decide: four eyes", lambda t: t.decide(Decision.OVERWRITE, by=Person("rob@contoso.com", asserted=True))),
    ("decide: who started it", lambda t: t.decide(Decision.OVERWRITE, by=PIPELINE)),
    ("decide: waive what was read", lambda t: t.decide(Decision.WAIVE)),
    ("confirm: not kept", lambda t: t.verbs.confirm(Confirming(t.known["halt"], COMMIT, DANA))),
    ("decide: overwrite", lambda t: t.decide(Decision.OVERWRITE)),
    ("check: the decision lets it pass", lambda t: t.check("run-6")),
    ("decide: in use", lambda t: t.decide(Decision.STOP, by=ERIN)),
    ("the pipeline overwrites", lambda t: t.known.update(d=deploy(t.world, VNET, dhcpOptions={"dnsServers": [SHOP_DNS]}))),
    ("record: another clearance", lambda t: t.record("run-6", clearance="000099")),
    ("record", lambda t: t.record("run-6", clearance=t.known["clearance"], naming=Naming(deployments=(t.known["d"],)))),
    ("decide: final", lambda t: t.decide(Decision.KEEP)),
    ("Rob sets it again", lambda t: set_dns(t.world, ROBS_DNS)),
    ("check: halt again", lambda t: t.check("run-7")),
    ("decide: keep", lambda t: t.decide(Decision.KEEP, by=ERIN, in_code=COMMIT)),
    ("check: kept", lambda t: t.check("run-8")),
    ("confirm: nothing named", lambda t: t.verbs.confirm(Confirming(t.known["halt"], " ", DANA))),
    ("confirm: stale", lambda t: t.verbs.confirm(Confirming(t.known["halt"], COMMIT, DANA, if_match="1"))),
    ("confirm", lambda t: t.verbs.confirm(Confirming(t.known["halt"], COMMIT, DANA))),
    ("check: the checkout cannot tell", lambda t: t.check("run-8")),
    ("the checkout is an old one", lambda t: t.world.checkout.commits.update({COMMIT: False})),
    ("check: the checkout does not contain it", lambda t: t.check("run-8")),
    ("the checkout is the right one", lambda t: t.world.checkout.commits.update({COMMIT: True})),
    ("check: the checkout contains it", lambda t: t.check("run-8")),
    ("record: it survived", lambda t: t.record("run-8", clearance=t.known["clearance"], naming=Naming())),
    ("two changes", lambda t: by_hand(t, "10.20.0.98", 7)),
    ("check: two changes", lambda t: t.check("run-9")),
    ("decide: stop", lambda t: t.decide(Decision.STOP)),
    ("halts: all", lambda t: t.verbs.halts(None, all_states=True)),
    ("the changes are taken back", lambda t: by_hand(t, ROBS_DNS, 10)),
    ("nobody may read it", lambda t: t.world.sandbox.fault(VNET, "403")),
    ("check: could not tell", lambda t: t.check("run-10")),
    ("scan: could not tell", lambda t: t.verbs.scan(None)),
    ("record: could not tell", lambda t: t.record("run-10", naming=Naming(resources=(GONE,)), job="new-job")),
    ("it can be read again", lambda t: t.world.sandbox.clear_faults()),
    ("move: no resources", lambda t: t.verbs.move(t.change(), "other")),
    ("move: to itself", lambda t: t.verbs.move(t.change(resources=(NAT,)), JOB)),
    ("move: not recorded", lambda t: t.verbs.move(t.change(resources=(GONE,)), "other")),
    ("move: no name", lambda t: t.verbs.move(t.change(resources=(NAT,)), "../x")),
    ("move: stale", lambda t: t.verbs.move(t.change(resources=(NAT,), if_match="1"), "other")),
    ("check: calm again", lambda t: t.check("run-11")),
    ("release: after it", lambda t: t.verbs.release(t.change())),
    ("move", lambda t: t.verbs.move(t.change(resources=(NAT,)), "other")),
    ("retire: all that is left, one by one", lambda t: t.verbs.retire(t.change(resources=(VNET,)))),
    ("retire: stale", lambda t: t.verbs.retire(t.change(if_match="1"))),
    ("retire", lambda t: t.verbs.retire(t.change())),
    ("check: retired", lambda t: t.check("run-12")),
    ("scan: retired, and named", lambda t: t.verbs.scan([JOB])),
    ("scan: retired, and not named", lambda t: t.verbs.scan(None)),
    ("observe mode", lambda t: t.with_policy(f"jobs: [{{match: other, mode: observe}}]\ndefaults: {CALM}\n")),
    ("another timeout", lambda t: set_timeout(t.world, 9)),
    ("check: observed", lambda t: t.check("run-13", job="other")),
    ("scan: observed", lambda t: t.verbs.scan(["other"])),
    ("a policy that is none", lambda t: t.with_policy("nonsense: 1\n")),
    ("check: bad policy", lambda t: t.check("run-14", job="other")),
]  # fmt: skip


def test_the_verbs_tell_the_same_story_in_process_and_through_a_service(tmp_path: Path) -> None:
    told = {}
    for name, side in (("in process", in_process), ("through a service", through_a_service)):
        (tmp_path / name).mkdir()
        with side(tmp_path / name) as teller:
            told[name] = tell(teller, tmp_path / name)
    here, there = told.values()
    assert list(here) == list(there)
    for step, outcome in here.items():
        assert there[step] == outcome, step
    codes = {outcome.get("exit_code") for outcome in here.values() if outcome}
    assert codes >= {0, 1, 2, 3, 4}


def test_the_story_asks_every_verb_for_its_good_answer_and_for_an_error() -> None:
    asked = {step.partition(":")[0] for step, _ in STORY}
    verbs = {name for name in vars(Verbs) if not name.startswith("_")} - {"review_address"}
    assert verbs <= asked


def test_a_check_that_takes_longer_than_an_answer_may_is_the_same_check(tmp_path: Path) -> None:
    steps: list[tuple[str, Step]] = [
        ("the policy", lambda t: t.with_policy(f"defaults: {CALM}\n")),
        ("record: the first", lambda t: t.record(None)),
        ("check: proceed", lambda t: t.check("run-1")),
        ("record", lambda t: t.record("run-1", clearance=t.known["clearance"])),
        ("Rob", lambda t: set_dns(t.world, ROBS_DNS)),
        ("check: halt", lambda t: t.check("run-2")),
        ("record: halt open", lambda t: t.record("run-2", clearance="000099")),
        ("check: nothing recorded", lambda t: t.check("run-2", job="nobody")),
    ]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with in_process(tmp_path / "a") as teller:
        here = tell(teller, tmp_path / "a", steps)
    with through_a_service(tmp_path / "b", answer_within=0.0) as teller:
        there = tell(teller, tmp_path / "b", steps)
    assert there == here


def test_evidence_comes_byte_for_byte_as_it_was_written(tmp_path: Path) -> None:
    with through_a_service(tmp_path) as teller:
        teller.record(None)
        set_dns(teller.world, ROBS_DNS)
        teller.check("run-1")
        halt = teller.known["halt"]
        written = InProcess(teller.world.guard).evidence(halt, None)
        assert written == teller.verbs.evidence(halt, None) == teller.verbs.evidence(halt, 1)


@contextmanager
def in_process(folder: Path) -> Iterator[Teller]:
    """The verbs on the world's guard."""
    with story(folder) as world:
        yield Teller(_Present(world), world)


@contextmanager
def through_a_service(folder: Path, answer_within: float = 20.0) -> Iterator[Teller]:
    """The verbs over HTTP; the service has no checkout, its client has the world's."""
    with story(folder) as world, served(lambda: world.guard, answer_within=answer_within) as address:
        clock = SystemClock()
        transport = Transport(service_address(address), SignIn(lambda: TOKEN), clock)
        yield Teller(Remote(transport, address, clock, world.checkout), world)
        transport.close()


class _Present:
    """The verbs in process on whatever guard the world has now: a story changes its policy."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(InProcess(self._world.guard), name)


def tell(teller: Teller, folder: Path, steps: list[tuple[str, Step]] = STORY) -> dict[str, Any]:
    """What came of each step, comparable with what came of it elsewhere."""
    names = _Names(str(folder))
    return {step: names.of(_outcome(do, teller)) for step, do in steps}


def _outcome(do: Step, teller: Teller) -> Any:
    try:
        return do(teller)
    except DriftGuardError as error:
        return {
            "problem": error.problem,
            "message": error.message,
            "remedy": error.remedy,
            "exit_code": error.exit_code,
        }


class _Names:
    """Gives ids, and what names the place of a world, one form everywhere."""

    _ID = re.compile(
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{64}\b|(?<![0-9a-f.])[0-9]{6}(?![0-9a-f])"
    )

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: dict[str, str] = {}

    def of(self, outcome: Any) -> Any:
        text = json.dumps(_comparable(outcome), sort_keys=True).replace(self._folder, "FOLDER")
        return json.loads(self._ID.sub(lambda found: self._seen.setdefault(found[0], f"id-{len(self._seen)}"), text))


# Rows are written more often where calls are kept in rows of their own; requests to ARM have ids of their own each time.
_NEVER_THE_SAME = ("version", "request_id", "correlation_id")


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: f"({key})" if key in _NEVER_THE_SAME and isinstance(one, str) else _comparable(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        rows = [_comparable(one) for one in value]
        # What is told of resources alike comes in the order in which ARM answered.
        of_resources = all(isinstance(row, dict) and "resource" in row for row in rows)
        return sorted(rows, key=lambda row: str(row["resource"])) if of_resources else rows
    return value


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan is looked at as soon as it may be: it is done in milliseconds."""
    monkeypatch.setattr("driftguard.entry.client.long_calls._PAUSES", (0.05, 0.05))
