"""driftguard sandbox"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, in_process


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8899, show_default=True, help="0 takes a free one.")
@in_process
def sandbox(call: Call, port: int) -> int:
    """Run a small Azure Resource Manager on this machine, with an estate to try things on, until Ctrl-C."""
    from driftguard.sandbox import run

    run(port)
    return 0
