"""Whatever happens in whatever order: no run passes over what nobody decided on, and no job is halted for good.

Hypothesis plays people, pipelines, reviewers, Azure and time against the real thing; `shop_model.Account` keeps the account.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from driftguard.errors import AlreadyFinal, Busy, CannotTell, HaltOpen, NoClearance, NotAllowed, WrongUse
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision, State
from driftguard.flow.review import UNREAD, Person
from driftguard.guard import index
from driftguard.guard.blobs import Bodies, load_baseline
from driftguard.guard.check import Answer
from driftguard.guard.deliver import deliver_due
from driftguard.guard.jobs import release
from driftguard.guard.record import Naming
from driftguard.guard.review import Confirming, Deciding, confirm, decide
from driftguard.guard.rows import HALT, HaltRow
from driftguard.sandbox import Sandbox, default_estate
from tests.scenarios.shop_model import BY_HAND, BY_ID, DEPLOYED, NAT, ROUTES, SETTINGS, Account, Setting
from tests.scenarios.steps import PIPELINE_IS_KNOWN, START, job_row, ledger, over
from tests.world import DANA, ERIN, JOB, NETWORK, PROVIDERS, VNET

RUNS = ("run-1", "run-2", "run-3")
NOISE = f"{PROVIDERS}/networkInterfaces/nic-noise"
ESTATE = [(one, body) for one, body in default_estate() if one in (NETWORK, VNET, NAT, ROUTES)]
MANY_STEPS = 14  # within which every job must be free again

a_setting = st.sampled_from(SETTINGS)
a_run = st.sampled_from(RUNS)
a_reviewer = st.sampled_from((DANA, ERIN))


class Shop(RuleBasedStateMachine):
    """One job with three resources."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))

    @initialize(latency=st.sampled_from((0, 1200)), by=st.sampled_from((Decision.KEEP, Decision.OVERWRITE)))
    def first_record(self, latency: int, by: Decision) -> None:
        sandbox = Sandbox(ESTATE, now=lambda: START, log_latency=latency)
        self.shop = self._open.enter_context(over(sandbox, self._folder, latency))
        self.shop.with_policy(f'version: 1\njobs: [{{match: "*", {PIPELINE_IS_KNOWN}}}]\n')
        for setting in SETTINGS:
            self.shop.sandbox.patch(setting.resource, setting.patch(DEPLOYED[0]))
        self.shop.first_record(*BY_ID)
        self.account = Account(timedelta(seconds=latency), {one: {DEPLOYED[0]} for one in BY_ID})
        self.clearances: dict[str, str] = {}
        self.freed_by = by

    # What people, pipelines and Azure do.

    @rule(setting=a_setting, value=st.sampled_from(BY_HAND), as_=st.sampled_from(("person-portal", "other-pipeline")))
    def somebody_changes(self, setting: Setting, value: int, as_: str) -> None:
        if self._write(setting, value, as_):
            self.account.by_hand(setting.resource, value, self.shop.sandbox.now())

    @rule(setting=a_setting)
    def a_person_reverts(self, setting: Setting) -> None:
        self._write(setting, self._recorded()[setting.resource], "person-portal")

    @precondition(lambda self: self._holder())
    @rule(setting=a_setting, value=st.sampled_from(DEPLOYED))
    def the_pipeline_deploys(self, setting: Setting, value: int) -> None:
        if self._write(setting, value, "pipeline"):
            self.account.deployed(setting.resource, value)

    @rule(setting=a_setting, attach=st.booleans())
    def azure_makes_noise(self, setting: Setting, attach: bool) -> None:
        self.shop.sandbox.touch(setting.resource)
        if attach and not self.shop.sandbox.get(NOISE):
            config = {"privateIPAllocationMethod": "Dynamic", "subnet": {"id": f"{VNET}/subnets/web"}}
            body = {"location": "westeurope", "properties": {"ipConfigurations": [{"name": "a", "properties": config}]}}
            self.shop.sandbox.put(NOISE, body)
        elif attach:
            self.shop.sandbox.delete(NOISE)

    @rule(setting=a_setting, trouble=st.sampled_from(("403", "500", "html", "slow", "fast", "mended", "mended")))
    def azure_is_in_trouble_or_mended(self, setting: Setting, trouble: str) -> None:
        if trouble in ("slow", "fast"):
            self.shop.sandbox.slow(setting.type, 900 if trouble == "slow" else 0)
        elif trouble == "mended":
            self.shop.sandbox.clear_faults()
        else:
            self.shop.sandbox.fault(setting.resource, trouble, method="GET")

    @rule(span=st.sampled_from(({"minutes": 6}, {"minutes": 25}, {"hours": 2}, {"hours": 5}, {"hours": 25})))
    def time_passes(self, span: dict[str, float]) -> None:
        self.shop.advance(**span)

    # What runs and reviewers do.

    @rule(run=a_run)
    def check(self, run: str) -> None:
        self._check(run)

    @rule(run=a_run, resources=st.sampled_from(((), (VNET,), (NAT, ROUTES))))
    def gate(self, run: str, resources: tuple[str, ...]) -> None:
        answer = self._check(run, gate=True, resources=resources)
        assert answer is None or answer.clearance is None

    @rule(run=a_run, named=st.sampled_from(((), (VNET,), (NAT, ROUTES))))
    def record(self, run: str, named: tuple[str, ...]) -> None:
        self._record(run, named)

    @rule()
    def the_lease_is_released(self) -> None:
        if self.job.lease:
            release(self.shop.guard, JOB, by=DANA, reason="the run hangs")

    @rule(decision=st.sampled_from(Decision), by=a_reviewer, named=st.booleans())
    def decide(self, decision: Decision, by: Person, named: bool) -> None:
        if self.job.open_halt:
            self._decide(decision, by, named)

    @rule(
        decision=st.sampled_from((Decision.OVERWRITE, Decision.KEEP, Decision.WAIVE)),
        run=a_run,
        confirmed=st.booleans(),
    )
    def a_run_is_halted_and_reviewed(self, decision: Decision, run: str, confirmed: bool) -> None:
        self._check(run)
        if self.job.open_halt:
            self._agree(decision, run if confirmed else None)

    @rule(
        run=a_run,
        deployed=st.sets(a_setting),
        value=st.sampled_from(DEPLOYED),
        meanwhile=st.none() | st.tuples(a_setting, st.sampled_from(BY_HAND), st.just("person-portal")),
    )
    def a_whole_run(
        self, run: str, deployed: set[Setting], value: int, meanwhile: tuple[Setting, int, str] | None
    ) -> None:
        answer = self._check(run)
        if answer is None or answer.clearance is None:
            return
        for setting in sorted(deployed, key=SETTINGS.index):
            self.the_pipeline_deploys(setting, value)
        if meanwhile:
            self.somebody_changes(*meanwhile)
        self._record(run, ())

    @rule(run=st.sampled_from((None, *RUNS)), contained=st.sampled_from((True, False, None)))
    def confirm(self, run: str | None, contained: bool | None) -> None:
        halt = self._halt()
        if contained is not None:
            self.shop.checkout.commits["0ddba11"] = contained
        if halt and halt.state in (State.KEPT, State.KEPT_CONFIRMED):
            self._confirm(halt, run)

    # What must hold after each step.

    @invariant()
    def at_most_one_halt_is_not_final_and_the_job_knows_it(self) -> None:
        assert [halt.id for halt in self._halts() if not halt.final] == (
            [self.job.open_halt] if self.job.open_halt else []
        )

    @invariant()
    def a_halt_in_use_has_a_lease_or_a_record_that_waits(self) -> None:
        halt = self._halt()
        assert halt is None or halt.state is not State.IN_USE or self.job.lease or self.job.pending

    @invariant()
    def the_ledger_is_whole(self) -> None:
        ledger(self.shop)

    @invariant()
    def no_halt_has_two_notes(self) -> None:
        notes = [note.stem for note in self.shop.notes()]
        assert len(notes) == len(set(notes)) and set(notes) <= {halt.id for halt in self._halts()}

    def teardown(self) -> None:
        try:
            if hasattr(self, "account"):
                self._becomes_free()
        finally:
            self._open.close()

    def _becomes_free(self) -> None:
        """Somebody mends what hinders reading, decides as asked, and waits: a run must pass."""
        self.shop.sandbox.clear_faults()
        for setting in SETTINGS:
            self.shop.sandbox.slow(setting.type, 0)
        for _ in range(MANY_STEPS):
            answer = self._check("rescue")
            if answer and answer.clearance:
                break
            halt = self._halt()
            if answer is None or answer.verdict is Verdict.CANNOT_TELL or halt is None:
                self.shop.advance(minutes=31)
                continue
            unread = all(one["finding"] in UNREAD for one in halt.summary)
            decision = Decision.WAIVE if unread else self.freed_by
            self._agree(decision, "rescue")
        else:
            raise AssertionError(f"still halted: {answer.why if answer else 'busy'}; {self._halt()}")
        assert answer is not None
        self._record("rescue", ())
        deliver_due(self.shop.guard, now=True)
        assert {note.stem for note in self.shop.notes()} == {halt.id for halt in self._halts()}

    # The hands.

    @property
    def job(self) -> Any:
        return job_row(self.shop)

    def _halts(self) -> list[HaltRow]:
        return [HaltRow.from_body(row.body) for row in index.all_rows(self.shop.guard.store, JOB, HALT)]

    def _halt(self) -> HaltRow | None:
        return next((halt for halt in self._halts() if not halt.final), None)

    def _holder(self) -> str | None:
        """The run that may deploy now."""
        lease = self.job.lease
        now = self.shop.sandbox.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return lease.run if lease and lease.until > now else None

    def _live(self) -> dict[str, int]:
        return {one: setting.read(self.shop.sandbox.get(one) or {}) for one, setting in BY_ID.items()}

    def _recorded(self) -> dict[str, int]:
        bodies = Bodies(self.shop.guard.store)
        entries = load_baseline(self.shop.guard.store, self.job.baseline).entries
        return {one: setting.read(bodies.of(entries[one.lower()]).body) for one, setting in BY_ID.items()}

    def _write(self, setting: Setting, value: int, as_: str) -> bool:
        self.shop.advance(minutes=1)
        try:
            self.shop.sandbox.patch(setting.resource, setting.patch(value), as_=as_)
        except WrongUse as refused:
            if "AnotherOperationInProgress" not in refused.message:
                raise
            return False
        self.shop.advance(minutes=1)
        return True

    def _check(self, run: str, **more: Any) -> Answer | None:
        """The answer, after comparing it with the account; None for busy."""
        holder = self._holder()
        try:
            answer = self.shop.check(run, **more)
        except Busy:
            assert holder or self.job.pending
            return None
        if answer.clearance is None:
            return answer
        assert holder in (None, run)
        recorded, now = self._recorded(), self.shop.sandbox.now()
        under = answer.halt if answer.halt and not answer.halt.final else None
        for resource, live in self._live().items():
            assert self.account.may_pass(resource, live, recorded[resource], under, now), (
                f"{run} passes over {resource}={live}, recorded {recorded[resource]}, under {under}"
            )
        self.clearances[run] = answer.clearance
        return answer

    def _record(self, run: str, named: tuple[str, ...]) -> None:
        lease = self.job.last_clearance
        try:
            recorded = self.shop.record(run, clearance=self.clearances.get(run), naming=Naming(resources=named))
        except (Busy, HaltOpen, NoClearance, CannotTell):
            return
        if recorded.proposal or not recorded.taken:
            return
        assert lease is not None and lease.run == run
        live, now = self._live(), self.shop.sandbox.now()
        self.account.waived_values(lease.halt, live)
        for resource, value in self._recorded().items():
            assert self.account.may_be_recorded(resource, value, now), f"{resource}={value} is recorded"

    def _decide(self, decision: Decision, by: Person, named: bool) -> bool:
        """Whether the decision now stands, without need of a second reviewer."""
        halt = self._halt()
        assert halt is not None
        resources = tuple(one["resource"] for one in halt.summary) if named else ()
        unread = tuple(one["resource"] for one in halt.summary if one["finding"] in UNREAD)
        call = Deciding(halt.id, decision, "as the board agreed", by, resources=resources, in_code="0ddba11")
        try:
            halt = decide(self.shop.guard, call)
        except (NotAllowed, Busy, AlreadyFinal):
            return False
        self.account.decided.pop(halt.id, None)
        if halt.decided is decision:
            self.account.decide(halt, decision, unread if named else (), self.shop.sandbox.now())
        return halt.decided is decision

    def _agree(self, decision: Decision, run: str | None) -> None:
        """One reviewer decides, and a second one where the author is not known; what is kept is confirmed for a run."""
        if not self._decide(decision, DANA, named=True) and self.job.open_halt:
            self._decide(decision, ERIN, named=True)
        halt = self._halt()
        if run and halt and halt.state is State.KEPT:
            self._confirm(halt, run)

    def _confirm(self, halt: HaltRow, run: str | None) -> None:
        try:
            confirm(self.shop.guard, Confirming(halt.id, "0ddba11", DANA, for_run=run))
        except (NotAllowed, Busy):
            return
        self.account.confirm(halt)


def test_no_order_of_events_lets_a_run_pass_undecided_or_halts_a_job_for_good() -> None:
    # A failure shows all its steps: making them fewer would take minutes.
    run_state_machine_as_test(Shop, settings=settings(max_examples=15, stateful_step_count=20, phases=[Phase.generate]))


@pytest.mark.soak
def test_many_long_orders_of_events() -> None:
    run_state_machine_as_test(Shop, settings=settings(max_examples=400, stateful_step_count=60))
