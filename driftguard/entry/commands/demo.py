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
@in_process
def demo(call: Call, as_json: bool, keep: str | None) -> int:
    """Play the whole story against the sandbox: record, a manual change at night, halt, evidence, review, proceed.

    Everything runs on this machine, with the real commands and a store of its own; it ends by itself.
    """
    from driftguard.entry.demo import play

    call.as_json = as_json
    told = play(call.run, keep, tell=(lambda text: None) if as_json else click.echo)
    if as_json:
        click.echo(json.dumps(told.to_dict(), indent=1))
    elif not told.ok:
        where = told.steps[-1].name if told.steps else "its beginning"
        click.echo(f"driftguard: the story went wrong at: {where}", err=True)
    return 0 if told.ok else 2
