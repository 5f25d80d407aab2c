"""driftguard demo"""

from __future__ import annotations

import json

import click

from driftguard.entry.call import Call, in_process


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option(
    "--keep", type=click.Path(file_okay=False), metavar="FOLDER", help="Keep store, notes and evidence in this folder."
)
@click.option(
    "--store",
    metavar="ADDRESS",
    help="Play it on this store, such as azure://ACCOUNT/NAME with DRIFTGUARD_SECRET_KEY; what it writes there stays.",
)
@in_process
def demo(call: Call, as_json: bool, keep: str | None, store: str | None) -> int:
    """Play the whole story against the sandbox: record, a manual change at night, halt, evidence, review, proceed.

    Everything but a store that you name runs on this machine, with the real commands; it ends by itself.
    """
    from driftguard.entry.demo import Elsewhere, play

    call.as_json = as_json
    elsewhere = Elsewhere(store, call.environ) if store else None
    told = play(call.run, keep, (lambda text: None) if as_json else click.echo, elsewhere)
    if as_json:
        click.echo(json.dumps(told.to_dict(), indent=1))
    elif not told.ok:
        where = told.steps[-1].name if told.steps else "its beginning"
        click.echo(f"driftguard: the story went wrong at: {where}", err=True)
    return 0 if told.ok else 2
