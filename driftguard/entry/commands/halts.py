"""driftguard halts"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, as_option, common
from driftguard.errors import CannotTell


@click.group()
def halts() -> None:
    """List and show halts; decide on one, confirm that a kept change is in the code."""


@halts.command("list")
@click.option("--job", help="Only this job's.")
@click.option("--all", "all_states", is_flag=True, help="Final ones too.")
@common
def list_(call: Call, job: str | None, all_states: bool) -> int:
    """List the open halts."""
    from datetime import UTC, datetime

    from driftguard.render.lists import halts_text

    with call.verbs() as verbs:
        found = verbs.halts(job, all_states=all_states)
    call.tell(lambda: found, lambda: halts_text(found, datetime.now(UTC)))
    return 0


@halts.command()
@click.argument("halt")
@click.option(
    "--evidence", "as_evidence", is_flag=True, help="The evidence itself (JSON): what `driftguard verify` checks."
)
@click.option("--version", type=click.IntRange(1), help="Which version of the evidence (default: the latest).")
@common
def show(call: Call, halt: str, as_evidence: bool, version: int | None) -> int:
    """Show one halt with its evidence."""
    from driftguard.render.text import halt_text

    with call.verbs() as verbs:
        if as_evidence:
            click.echo(_to_print(verbs.evidence(halt, version)), nl=False)
            return 0
        found = verbs.halt(halt, version)
    call.tell(lambda: found, lambda: halt_text(found))
    return 0


def _to_print(evidence: bytes) -> str:
    """The evidence as text: the same JSON document, with what a build agent would take for a command written as an escape.

    Raises CannotTell for what no evidence is: anything but printable ASCII in lines.
    """
    from driftguard.render.untrusted import without_agent_commands

    text = evidence.decode("ascii", "replace")
    if not text.replace("\n", "").isprintable() or "\ufffd" in text:
        raise CannotTell("what came is no evidence", "look whether the address of the service is right, and ask again")
    return without_agent_commands(text)


@halts.command()
@click.argument("halt")
@click.argument("decision", type=click.Choice(["overwrite", "keep", "stop", "waive"]))
@click.option("--reason", required=True, help="Why; it stands on the ticket.")
@as_option("Who decides")
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
    from driftguard.guard.review import Deciding
    from driftguard.render.text import decided_text

    reviewer = call.reviewer(name)
    with call.verbs() as verbs:
        decided = verbs.decide(Deciding(halt, Decision(decision), reason, reviewer, resources, in_code, if_match))
    call.tell(lambda: decided, lambda: decided_text(decided))
    return 0


@halts.command()
@click.argument("halt")
@click.option("--in-code", required=True, metavar="REF", help="The commit or merged pull request that has the change.")
@click.option("--for-run", metavar="RUN", help="Let only this run pass, where the checkout cannot tell.")
@as_option("Who confirms")
@click.option("--if-match", metavar="VERSION", help="Only if the halt is still at this version (see show --json).")
@common
def confirm(call: Call, halt: str, in_code: str, for_run: str | None, name: str | None, if_match: str | None) -> int:
    """Confirm that a kept change is in the code: runs whose source contains it may pass."""
    from driftguard.guard.review import Confirming
    from driftguard.render.text import decided_text

    reviewer = call.reviewer(name)
    with call.verbs() as verbs:
        confirmed = verbs.confirm(Confirming(halt, in_code, reviewer, for_run, if_match))
    call.tell(lambda: confirmed, lambda: decided_text(confirmed))
    return 0
