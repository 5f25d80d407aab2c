"""driftguard store"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, in_process, working


@click.group()
def store() -> None:
    """Move, back up or restore a store."""


@store.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@in_process
def copy(call: Call, source: str, target: str, as_json: bool) -> int:
    """Copy everything in the store FROM into TO, read it back and compare it. Each is a path or azure://ACCOUNT[/NAME].

    TO is empty, or what an interrupted copy of FROM left: the same command then goes on. Until it is whole nobody can work
    with TO. FROM may be in use; what is decided after the copy began may be missing in it. The keys of secrets are not
    copied: the result says which TO needs. DRIFTGUARD_STORE_CONNECTION is used for the account that it names.

    Exit code 0 where TO holds exactly what FROM held. A TO that was whole already keeps what it has: the result of
    then is told again (whole_before), with exit code 3.
    """
    from driftguard.render.store import copied_text
    from driftguard.settings import read_settings
    from driftguard.wiring_places import copy_between

    read, written = (read_settings(call.environ, store=place) for place in (source, target))
    with working(f"copying {read.store_name} to {written.store_name}"):
        copied = copy_between(read, written)
    call.tell(copied.to_dict, lambda: copied_text(copied))
    return copied.exit_code
