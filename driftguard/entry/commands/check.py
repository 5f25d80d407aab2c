"""driftguard check"""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from driftguard.entry.call import Call, common, run_options, working
from driftguard.entry.telling import exit_code_of, review_lines
from driftguard.errors import BadConfiguration, Busy, CannotTell, NothingRecorded, WrongUse
from driftguard.settings import require_lasting_store

if TYPE_CHECKING:
    from driftguard.entry.verbs import Verbs, View
    from driftguard.guard.answer import Ask

_POLL = 15.0
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@click.command()
@click.option("--job", required=True, help="The job, such as payments-prod.")
@click.option("--gate", is_flag=True, help="Judge without taking the lease.")
@click.option("--wait", metavar="TIME", help="While busy, settling or unclear, ask again for so long, such as 30m.")
@click.option("--resource", "resources", multiple=True, metavar="ID", help="Judge only this resource; never clears.")
@run_options
@common
def check(
    call: Call,
    job: str,
    gate: bool,
    wait: str | None,
    resources: tuple[str, ...],
    ticket: str | None,
    run: str | None,
    stage: str | None,
) -> int:
    """Judge a job before an update.

    Reads every resource that the job has recorded. Exit code 0 lets the run go on and gives it the clearance that
    `driftguard record` asks for; every other exit code must stop it.
    """
    from driftguard.guard.work import require_job_name
    from driftguard.render.annotations import annotate
    from driftguard.render.text import check_text

    patience = _seconds(wait)
    ask = _asked(call, require_job_name(job), gate, resources, ticket, run, stage)
    _require_store(call, job)
    with call.verbs() as verbs:
        answer = _ask(verbs, ask, patience)
        review = review_lines(verbs, answer)
    code = _exit_code(answer)
    call.tell(lambda: answer, lambda: "\n".join([check_text(answer), *review]))
    if not call.as_json:
        for line in annotate(call.environ, answer):
            click.echo(line)
    return code


def _exit_code(answer: View) -> int:
    """The answer's exit code. Raises CannotTell where it lets a run go on and its verdict does not."""
    code = exit_code_of(answer)
    if code == 0 and answer.get("verdict") != "proceed" and answer.get("observed") is not True:
        raise CannotTell("the answer contradicts itself", "look whether the service is of this version, and ask again")
    return code


def _asked(
    call: Call,
    job: str,
    gate: bool,
    resources: tuple[str, ...],
    ticket: str | None,
    run: str | None,
    stage: str | None,
) -> Ask:
    """The call of the verb; what is not named comes from the CI system. Raises WrongUse, OtherScope."""
    from driftguard.flow.resource import parse_ref
    from driftguard.guard.answer import Ask

    settings = call.settings
    run = run or settings.run or (None if settings.in_ci else f"local-{uuid.uuid4().hex[:12]}")
    if run is None:
        raise WrongUse("the CI system does not tell which run this is", "name it: --run RUN")
    for resource in resources:
        parse_ref(resource, cloud=settings.cloud)
    return Ask(job, run, stage or settings.stage, ticket, call.starter(), gate, resources)


def _require_store(call: Call, job: str) -> None:
    settings = call.settings
    if settings.server or settings.store_may_be_there:
        return
    require_lasting_store(settings)
    # Tried all the same: an opening that fails is measured.
    with suppress(BadConfiguration), call.verbs():
        return
    raise NothingRecorded(
        f"nothing is recorded for the job {job}: there is no store at {settings.store_name}",
        f"run `driftguard record --job {job} …` after its next deployment, or name the store with --store",
    )


def _ask(verbs: Verbs, ask: Ask, patience: float) -> View:
    """The answer; while it is busy, settling or unclear, asked for again for `patience` seconds."""
    from driftguard.system_clock import SystemClock

    clock = SystemClock()
    until = clock.monotonic() + patience
    while True:
        answer: View | None = None
        try:
            with working(f"reading what {ask.job} has recorded"):
                answer = verbs.check(ask)
        except Busy:
            if clock.monotonic() + _POLL > until:
                raise
        if answer is not None and (exit_code_of(answer) != 2 or clock.monotonic() + _POLL > until):
            return answer
        clock.sleep(_POLL)


def _seconds(text: str | None) -> float:
    """`30m`, `90s`, `1h` or a number of seconds. Raises WrongUse."""
    if text is None:
        return 0.0
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([smh]?)", text.strip())
    if match is None:
        raise WrongUse(f"--wait {text!r} is no time", "write it as 90s, 30m or 1h")
    return float(match[1]) * _UNITS[match[2]]
