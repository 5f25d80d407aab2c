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
from driftguard.entry.commands.named import Named, naming_options
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
    dry_run: bool,
) -> int:
    """Put a job under guard: look at it twice, show what a first check would report, write its policy entry.

    The entry says `mode: observe`: everything is judged and told, nothing is stopped. It goes into the policy file
    (--policy, DRIFTGUARD_POLICY), which is made where it is not there. Nothing is recorded. Exit code 2 where something
    could not be read, 3 where the entry has to be pasted by hand.
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
    onboarding = Onboarding(job, naming, seconds, _principals(principals))
    with _guard_that_writes_nothing(call) as guard:
        plan = can_be_written(plan_entry(call.settings.policy, entry, folder=policies_folder()))
        with working(f"looking at {job} twice, {seconds:g} s apart"):
            told = look(guard, onboarding, secrets.token_bytes(32))
    plan = _unless_enforced(plan, told)
    if not dry_run:
        plan = write_entry(plan)
    exit_code = 3 if plan.outcome is Outcome.BY_HAND else told.exit_code
    view = onboard_view(told, _entry_view(plan), _following(call, told, named), exit_code)
    call.tell(lambda: view, lambda: onboard_text(view))
    return exit_code


@contextmanager
def _guard_that_writes_nothing(call: Call) -> Iterator[Guard]:
    """A guard whose store is neither begun nor asked for its key, under the built-in policy where the named one is to be made."""
    from driftguard.wiring import Opening, guard_from

    settings = call.settings
    if settings.policy and not settings.policy.exists():
        settings = replace(settings, policy=None)
    # A store that would be thrown away with the build machine is no harm where nothing is stored.
    settings = replace(settings, in_ci=False)
    opening = Opening.AT_FIRST_USE if settings.store.exists() else Opening.BEGIN_AT_FIRST_WRITE
    with guard_from(settings, opening) as guard:
        yield guard


def _unless_enforced(plan: Plan, told: Onboarded) -> Plan:
    """A job that is recorded, and whose runs are stopped today, is not taken out of enforcement in passing."""
    from driftguard.policy_file.new_entry import Outcome

    if plan.outcome is not Outcome.TO_WRITE or not told.is_enforced:
        return plan
    why = f"the job {told.job} is recorded already, and its runs are stopped: the entry would stop that"
    return plan.not_written(Outcome.ALREADY, why, "paste the entry by hand if that is meant")


def _entry_view(plan: Plan) -> dict[str, Any]:
    return {
        "outcome": str(plan.outcome),
        "text": plan.text,
        "where": plan.where or None,
        "why": plan.why or None,
        "remedy": plan.remedy or None,
    }


def _following(call: Call, told: Onboarded, named: Named) -> list[str]:
    """The commands for what comes next: the first record, unless there is one, and a check that takes no lease."""
    common_options = [
        word for option in ("policy", "store") if (text := getattr(call, option)) for word in (f"--{option}", text)
    ]
    record = ["driftguard", "record", "--job", told.job, *named.words(), *common_options]
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
