"""driftguard verify"""

from __future__ import annotations

from typing import IO

import click

from driftguard.entry.call import Call, common_with_store_flag
from driftguard.errors import WrongUse


@click.command()
@click.argument("file", type=click.File("rb"), required=False, metavar="FILE")
@common_with_store_flag
def verify(call: Call, file: IO[bytes] | None) -> int:
    """Check that evidence is as it was written; with --store also that the ledger of its job is whole and knows it.

    Exit code 1 where something was changed.
    """
    from driftguard.guard import verify as verbs
    from driftguard.render.tools import verify_text, verify_view

    if file is None:
        after = f"; {call.store} was taken as the store's path" if call.store else ""
        raise WrongUse(f"the evidence FILE is missing{after}", "write it first: driftguard verify FILE --store")
    document = verbs.read_evidence(file.read())
    if call.store is None:
        result = verbs.verify_file(document)
    else:
        with call.guard() as guard:
            result = verbs.verify_in_store(guard, document)
    call.tell(lambda: verify_view(result), lambda: verify_text(result))
    return result.exit_code
