"""driftguard onboard"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from driftguard.entry.call import Call, common, working
from driftguard.entry.commands.named import SAVED_IDS, Named, naming_options
from driftguard.errors import WrongUse

if TYPE_CHECKING:
    from driftguard.guard.context import Guard
    from driftguard.guard.onboard import Onboarded
    from driftguard.policy_file.new_entry import Plan

_LONGEST_WATCH = 3600.0


@click.command()
@click.option("--job", required=True, help="The job, such as payments-prod.")
@naming_options
@click.option(
    "--principal", "principals", multiple=True, metavar="APP_ID", help="The application that deploys for the job."
)
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="APP_ID", help="Who may check and record it on a service."
)
@click.option(
    "--reviewer", "reviewers", multiple=True, metavar="GROUP_ID", help="Who may decide on its halts on a service."
)
@click.option("--reader", "readers", multiple=True, metavar="GROUP_ID", help="Who may look at it on a service.")
@click.option(
    "--watch", default="60s", metavar="TIME", help="How long to wait between the two looks (default 60s; 0 is none)."
)
@click.option(
    "--wait-for-authors",
    is_flag=True,
    help="Where something differs, wait until the Activity Log has told who wrote (20 minutes), then offer rules.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing: show the entry, and where it would stand.")
@common
def onboard(
    call: Call,
    job: str,
    named: Named,
    principals: tuple[str, ...],
    pipelines: tuple[str, ...],
    reviewers: tuple[str, ...],
    readers: tuple[str, ...],
    watch: str,
    wait_for_authors: bool,
    dry_run: bool,
) -> int:
    """Put a job under guard: look at it twice, show what a first check would report, write its policy entry.

    The entry says `mode: observe`: everything is judged and told, nothing is stopped. It goes into the policy file
    (--policy, DRIFTGUARD_POLICY), which is made where it is not there. Nothing is recorded. Exit code 2 where something
    could not be read, 3 where the entry has to be pasted by hand: also where it could take a job out of enforcement
    because the store that would tell is not there.
    """
    from driftguard.guard.onboard import Onboarding
    from driftguard.guard.onboard import onboard as look
    from driftguard.policies_folder import policies_folder
    from driftguard.policy_file.new_entry import NewEntry, Outcome, plan_entry
    from driftguard.policy_file.write_entry import can_be_written, write_entry
    from driftguard.render.onboard import onboard_text, onboard_view

    seconds = _seconds(watch)
    naming = named.naming(call.settings.cloud)
    entry = NewEntry(job, principals, pipelines, readers, reviewers)
    onboarding = Onboarding(job, naming, seconds, _principals(principals), call.settings.log_latency, wait_for_authors)
    plan = can_be_written(plan_entry(call.settings.policy, entry, folder=policies_folder()))
    waiting = working(f"looking at {job} twice, {seconds:g} s apart")
    with _guard_that_writes_nothing(call, plan) as guard, waiting:
        told = look(guard, onboarding, secrets.token_bytes(32))
    told = _with_notices(call, told, saved=named.must_be_saved(naming))
    plan = _unless_enforced(call, plan, told)
    if not dry_run:
        plan = write_entry(plan)
    exit_code = 3 if plan.outcome is Outcome.BY_HAND else told.exit_code
    view = onboard_view(told, _entry_view(plan), _following(call, told, named.words(naming)), exit_code)
    call.tell(lambda: view, lambda: onboard_text(view))
    return exit_code


@contextmanager
def _guard_that_writes_nothing(call: Call, plan: Plan) -> Iterator[Guard]:
    """A guard whose store is neither begun nor asked for its key, under what the policy file says before the entry."""
    from driftguard.wiring import guard_from
    from driftguard.wiring_places import Opening

    settings = call.settings
    if plan.said is None or plan.is_unfinished:
        settings = replace(settings, policy=None)  # the file is not there yet, or a check would refuse it as it is
    # A store that would be thrown away with the build machine is no harm where nothing is stored.
    settings = replace(settings, in_ci=False)
    opening = Opening.AT_FIRST_USE if settings.store_may_be_there else Opening.BEGIN_AT_FIRST_WRITE
    with guard_from(settings, opening) as guard:
        policy = plan.said
        yield replace(guard, policy=lambda: policy) if policy else guard


def _unless_enforced(call: Call, plan: Plan, told: Onboarded) -> Plan:
    """A job whose runs are stopped today, or may be, is not taken out of enforcement in passing."""
    from driftguard.policy_file.new_entry import Outcome

    if plan.outcome is not Outcome.TO_WRITE:
        return plan
    if told.is_enforced:
        why = f"the job {told.job} is recorded already, and its runs are stopped: the entry would stop that"
        return plan.not_written(Outcome.ALREADY, why, "paste the entry by hand if that is meant")
    named = "name the store of the job with --store or DRIFTGUARD_STORE, or paste the entry by hand"
    if told.store_problem:
        why = f"the store cannot be read, so the job {told.job} may be guarded already: {told.store_problem}"
        return plan.not_written(Outcome.BY_HAND, why, named)
    if plan.enforced_by and not call.settings.store_may_be_there:
        why = (
            f"{plan.enforced_by} enforces the job {told.job} today, and the store that would tell whether it is recorded is "
            f"not there ({call.settings.store_name}): the entry could take it out of enforcement"
        )
        return plan.not_written(Outcome.BY_HAND, why, named)
    return plan


def _with_notices(call: Call, told: Onboarded, *, saved: bool) -> Onboarded:
    """With what only the command line knows: that the store is not there, that piped ids are to be saved."""
    notices = []
    if not told.store_problem and not call.settings.store_may_be_there:
        notices.append(
            f"the store {call.settings.store_name} is not there, so nobody can tell here whether the job is recorded: where a "
            "service, or another store, guards it already, the entry takes it out of enforcement"
        )
    if saved:
        notices.append(f"the ids came from the standard input: save them as {SAVED_IDS} for the next commands")
    return replace(told, told=(*told.told, *notices))


def _entry_view(plan: Plan) -> dict[str, Any]:
    return {
        "outcome": str(plan.outcome),
        "text": plan.text,
        "where": plan.where or None,
        "why": plan.why or None,
        "remedy": plan.remedy or None,
    }


def _following(call: Call, told: Onboarded, named: Sequence[str]) -> list[str]:
    """The commands for what comes next: the first record, unless there is one, and a check that takes no lease."""
    common_options = [
        word for option in ("policy", "store") if (text := getattr(call, option)) for word in (f"--{option}", text)
    ]
    record = ["driftguard", "record", "--job", told.job, *named, *common_options]
    check = ["driftguard", "check", "--job", told.job, "--gate", *common_options]
    return [shlex.join(command) for command in ([check] if told.generation else [record, check])]


def _principals(app_ids: Sequence[str]) -> tuple[Any, ...]:
    from driftguard.flow.attribute import Principal

    return tuple(Principal(app_id=text.lower()) for text in app_ids)


def _seconds(text: str) -> float:
    """A time such as 90s or 2m, at most an hour. Raises WrongUse."""
    found = re.fullmatch(r"([0-9]{1,5})([smh]?)", text.strip(), re.ASCII)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else -1.0
    if not 0 <= seconds <= _LONGEST_WATCH:
        raise WrongUse(f"--watch {text[:40]!r} is no time up to an hour", "write it as 60s, 2m or 0")
    return seconds
