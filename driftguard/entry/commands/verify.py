"""driftguard verify"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click

from driftguard.entry.call import Call, common_with_store_flag, working
from driftguard.errors import WrongUse


@click.command()
@click.argument("file", type=click.File("rb"), required=False, metavar="[FILE]")
@click.option(
    "--head", "told", multiple=True, metavar="JOB:NUMBER:HASH", help="The head of a ledger that a ticket's note shows."
)
@common_with_store_flag
def verify(call: Call, file: IO[bytes] | None, told: tuple[str, ...]) -> int:
    """Check that evidence is as it was written, and that the store is the one that was anchored.

    FILE alone: its digest. FILE --store: also that the ledger of its job is whole, knows it, and has what was anchored of
    it. --store alone: the ledgers of all jobs, against every anchor. --head adds a head to compare; without FILE and --store
    only its job is looked at.

    Exit code 1 where something was changed, else 2 where something could not be looked at, such as the anchors.
    """
    from driftguard.guard import verify as verbs
    from driftguard.render.tools import verify_text, verify_view

    if file is None and call.store is None and not told:
        raise WrongUse(
            "there is nothing to verify",
            "driftguard verify FILE --store; without FILE it looks at the ledgers of all jobs",
        )
    if file is None and call.store and _is_evidence(Path(call.store)):
        raise WrongUse(
            f"the evidence FILE is missing; {call.store} was taken as the store's path",
            "write it first: driftguard verify FILE --store",
        )
    heads = [verbs.parse_head(one) for one in told]
    document = verbs.read_evidence(file.read()) if file else None
    if document is not None and call.store is None and not heads:
        result = verbs.verify_file(document)
    else:
        with call.guard() as guard, working("reading ledgers and anchors"):
            if document is not None:
                result = verbs.verify_in_store(guard, document, heads)
            elif call.store is None:
                result = verbs.verify_jobs(guard, [], heads)
            else:
                result = verbs.verify_store(guard, heads)
    call.tell(lambda: verify_view(result), lambda: verify_text(result))
    return result.exit_code


def _is_evidence(path: Path) -> bool:
    """Whether somebody meant evidence by it: it is named so, or begins as a JSON object, which no store does."""
    if path.suffix == ".json":
        return True
    try:
        with path.open("rb") as file:
            return file.read(100).lstrip().startswith(b"{")
    except (OSError, ValueError):
        return False
