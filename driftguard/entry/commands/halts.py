"""driftguard halts"""

from __future__ import annotations

import json

import click

from driftguard.entry.call import Call, common, require_known_job
from driftguard.errors import WrongUse


@click.group()
def halts() -> None:
    """List and show halts; decide on one, confirm that a kept change is in the code."""


@halts.command("list")
@click.option("--job", help="Only this job's.")
@click.option("--all", "all_states", is_flag=True, help="Final ones too.")
@common
def list_(call: Call, job: str | None, all_states: bool) -> int:
    """List the open halts."""
    from driftguard.guard.review import list_halts
    from driftguard.render.json_views import halts_view
    from driftguard.render.lists import halts_text

    with call.guard() as guard:
        require_known_job(guard, job)
        found = list(list_halts(guard, job=job, all_states=all_states))
        call.tell(lambda: halts_view(found), lambda: halts_text(found, guard.clock.now()))
    return 0


@halts.command()
@click.argument("halt")
@click.option("--evidence", "as_evidence", is_flag=True, help="The evidence itself, as it was written (JSON).")
@click.option("--version", type=click.IntRange(1), help="Which version of the evidence (default: the latest).")
@common
def show(call: Call, halt: str, as_evidence: bool, version: int | None) -> int:
    """Show one halt with its evidence."""
    from driftguard.guard.halting import load_evidence
    from driftguard.guard.review import find_halt
    from driftguard.render.json_views import halt_view
    from driftguard.render.text import halt_text

    with call.guard() as guard:
        found, row_version = find_halt(guard, halt)
        if version is not None and version > found.evidence:
            raise WrongUse(
                f"the halt's latest version of evidence is {found.evidence}", "leave --version out for the latest"
            )
        data = load_evidence(guard, found, version)
    if as_evidence:
        click.echo(data.decode("ascii"), nl=False)
        return 0
    evidence = json.loads(data)
    call.tell(lambda: halt_view(found, row_version, evidence), lambda: halt_text(found, evidence))
    return 0


@halts.command()
@click.argument("halt")
@click.argument("decision", type=click.Choice(["overwrite", "keep", "stop", "waive"]))
@click.option("--reason", required=True, help="Why; it stands on the ticket.")
@click.option("--as", "name", metavar="NAME", help="Who decides (default: the operating system's user).")
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="ID",
    help="A resource that must be named (waived, or kept before).",
)
@click.option("--in-code", metavar="REF", help="Where a kept change will be in the code.")
@click.option("--if-match", metavar="VERSION", help="Only if the halt is still at this version (see show --json).")
@common
def decide(
    call: Call,
    halt: str,
    decision: str,
    reason: str,
    name: str | None,
    resources: tuple[str, ...],
    in_code: str | None,
    if_match: str | None,
) -> int:
    """Decide what happens to the manual change.

    overwrite: one run may go on and overwrite it. keep: runs stay halted until it is confirmed to be in the code. stop:
    this run ends, nothing is accepted. waive: one run may go on although the named resources could not be read.
    """
    from driftguard.flow.halt import Decision
    from driftguard.guard import review
    from driftguard.render.json_views import halt_view
    from driftguard.render.text import decided_text

    with call.guard() as guard:
        deciding = review.Deciding(halt, Decision(decision), reason, call.reviewer(name), resources, in_code, if_match)
        decided = review.decide(guard, deciding)
    call.tell(lambda: halt_view(decided), lambda: decided_text(decided))
    return 0


@halts.command()
@click.argument("halt")
@click.option("--in-code", required=True, metavar="REF", help="The commit or merged pull request that has the change.")
@click.option("--for-run", metavar="RUN", help="Let only this run pass, where the checkout cannot tell.")
@click.option("--as", "name", metavar="NAME", help="Who confirms (default: the operating system's user).")
@click.option("--if-match", metavar="VERSION", help="Only if the halt is still at this version.")
@common
def confirm(call: Call, halt: str, in_code: str, for_run: str | None, name: str | None, if_match: str | None) -> int:
    """Confirm that a kept change is in the code: runs whose source contains it may pass."""
    from driftguard.guard import review
    from driftguard.render.json_views import halt_view
    from driftguard.render.text import decided_text

    with call.guard() as guard:
        confirming = review.Confirming(halt, in_code, call.reviewer(name), for_run, if_match)
        confirmed = review.confirm(guard, confirming)
    call.tell(lambda: halt_view(confirmed), lambda: decided_text(confirmed))
    return 0
