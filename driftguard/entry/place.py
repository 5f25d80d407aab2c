"""Where a command works: in this process, or with a service that `--server` or DRIFTGUARD_SERVER names.

Rules:
- A command that is not in `SERVED` refuses a service: it would work on other data than its user thinks.
- With a service, no store and no policy is named: the service has its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from driftguard.errors import BadConfiguration

SERVED = ("check", "record", "halts", "jobs", "explain", "scan", "deliveries")
"""The commands that a service can be asked for; every other one works in process."""


def require_place(environ: Mapping[str, str], server: str | None, store: str | None, policy: str | None) -> None:
    """Raises BadConfiguration where a service is named and the running command does not work with it, or a store or policy
    is named too. All but `environ` are what the command line says."""
    if not (server or environ.get("DRIFTGUARD_SERVER")):
        return
    named = "--server" if server else "DRIFTGUARD_SERVER"
    command = _command(click.get_current_context())
    if not _is_served(command):
        remedy = "leave --server out" if server else "unset DRIFTGUARD_SERVER for this command"
        raise BadConfiguration(f"{command} works in process, and {named} names a service", remedy)
    for option, given in (("--store", store), ("--policy", policy)):
        if given:
            raise BadConfiguration(
                f"{option} is given, and {named} names a service, which has its own {option.removeprefix('--')}",
                f"leave {option} out, or work in process without {named}",
            )


class _ServerOption(click.Option):
    """Shown in the help of the commands that are served; the others know it only to refuse it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return super().get_help_record(ctx) if _is_served(_command(ctx)) else None


server_option = click.option(
    "--server", cls=_ServerOption, metavar="URL", help="A service to work with (DRIFTGUARD_SERVER)."
)


def _command(context: click.Context) -> str:
    """The command as it is typed, such as `halts list`."""
    return context.command_path.partition(" ")[2]


def _is_served(command: str) -> bool:
    return command.partition(" ")[0] in SERVED
