"""The command line: finds the command, and turns results and errors into exit codes.

Rules:
- 0 proceed or done, 1 halt, 2 could not tell, 3 wrong use or configuration, 4 busy or settling.
- A command is imported when it is called, so that `--help` needs neither Azure nor a store.
- Whatever goes wrong that we did not foresee is 2, never 0 and never 1: nothing proceeds, and nobody is told of a halt.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import click
from click.exceptions import NoArgsIsHelpError

from driftguard import __version__
from driftguard.entry.call import Call
from driftguard.entry.telling import report
from driftguard.errors import CannotTell, DriftGuardError, WrongUse
from driftguard.settings import process_environment


def _record() -> click.Command:
    from driftguard.entry.commands.record import record

    return record


def _check() -> click.Command:
    from driftguard.entry.commands.check import check

    return check


def _halts() -> click.Command:
    from driftguard.entry.commands.halts import halts

    return halts


def _jobs() -> click.Command:
    from driftguard.entry.commands.jobs import jobs

    return jobs


def _explain() -> click.Command:
    from driftguard.entry.commands.explain import explain

    return explain


def _replay() -> click.Command:
    from driftguard.entry.commands.replay import replay

    return replay


def _policy() -> click.Command:
    from driftguard.entry.commands.policy import policy

    return policy


def _verify() -> click.Command:
    from driftguard.entry.commands.verify import verify

    return verify


def _deliver() -> click.Command:
    from driftguard.entry.commands.deliver import deliver

    return deliver


def _sandbox() -> click.Command:
    from driftguard.entry.commands.sandbox import sandbox

    return sandbox


def _demo() -> click.Command:
    from driftguard.entry.commands.demo import demo

    return demo


def _scan() -> click.Command:
    from driftguard.entry.commands.scan import scan

    return scan


def _deliveries() -> click.Command:
    from driftguard.entry.commands.deliveries import deliveries

    return deliveries


def _serve() -> click.Command:
    from driftguard.entry.commands.serve import serve

    return serve


def _onboard() -> click.Command:
    from driftguard.entry.commands.onboard import onboard

    return onboard


def _store() -> click.Command:
    from driftguard.entry.commands.store import store

    return store


def _doctor() -> click.Command:
    from driftguard.entry.commands.doctor import doctor

    return doctor


COMMANDS: dict[str, tuple[Callable[[], click.Command], str]] = {
    "record": (_record, "Record what a deployment left: the job's new baseline."),
    "check": (_check, "Judge a job before an update; only exit code 0 lets the run go on."),
    "scan": (_scan, "Judge every job, as check --gate does, and let nothing through."),
    "halts": (_halts, "List and show halts; decide on one, confirm that a kept change is in the code."),
    "jobs": (_jobs, "List and show jobs; release, retire, move, accept a proposal, hold."),
    "explain": (_explain, "Say which rule decides on a resource, or on one path of it."),
    "replay": (_replay, "Judge recorded pairs of readings, offline."),
    "policy": (_policy, "Look a policy file through: every error and warning, and which rules fire on recorded pairs."),
    "verify": (_verify, "Check the digest of evidence and, with --store, the ledger it stands in."),
    "deliver": (_deliver, "Send the notes that wait."),
    "deliveries": (_deliveries, "List the notes, and where each stands."),
    "onboard": (_onboard, "Put a job under guard: look at what is there, and write its policy entry."),
    "serve": (_serve, "Run the service on this machine."),
    "sandbox": (_sandbox, "Run a small Azure Resource Manager on this machine."),
    "demo": (_demo, "Play the whole story against the sandbox."),
    "store": (_store, "Copy a store into another one, whole and verified: to move it, to back it up, to restore it."),
    "doctor": (_doctor, "Look whether policy, store, notes and ARM are in order."),
}


class _Commands(click.Group):
    """The commands by name, each imported when it is called; the table has the lines of `--help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(cmd_name)
        return found[0]() if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="driftguard")
def cli() -> None:
    """Halts automation that would overwrite somebody's manual change to an Azure resource.

    Exit codes: 0 proceed or done, 1 halt, 2 could not tell (safe to try again), 3 wrong use or configuration, 4 busy or
    settling.
    """


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; its exit code. Never raises."""
    call = Call(environ, run)
    try:
        answer = cli.main(list(arguments), prog_name="driftguard", standalone_mode=False, obj=call)
        if not isinstance(answer, int):
            raise TypeError("a command answers its exit code")
        return answer
    except DriftGuardError as error:
        return report(error, call.as_json)
    except NoArgsIsHelpError as error:  # `driftguard halts`: the help, and the exit code of a wrong call
        with suppress(OSError):
            click.echo(error.ctx.get_help() if error.ctx else error.format_message())
        return 3
    except click.ClickException as error:
        call.as_json = call.as_json or "--json" in arguments
        return report(_usage(error), call.as_json)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for a Ctrl-D, and no command asks for any input
            return _fault(call, error.__cause__)
        with suppress(OSError):
            click.echo("driftguard: interrupted; nothing was decided", err=True)
        return 2
    except (BrokenPipeError, SystemExit):  # click ends with 1, our word for a halt, where nobody reads its output
        return 2
    except OSError as error:
        return report(_full(error), call.as_json) if error.errno in _FULL else _fault(call, error)
    except Exception as error:  # noqa: BLE001  # reason: an unforeseen fault must not leave with 1 (halt) or 0
        return _fault(call, error)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _full(error: OSError) -> CannotTell:
    return CannotTell(f"the result cannot be written: {error.strerror}", "free space, or write it somewhere else")


def _usage(error: click.ClickException) -> WrongUse:
    """What click refuses before a command runs, as one line with the remedy."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "driftguard"
    return WrongUse(error.format_message().rstrip("."), f"see {command} --help")


def _fault(call: Call, error: BaseException) -> int:
    return report(
        CannotTell(f"internal fault ({_place(error)})", "nothing was decided; please report it"), call.as_json
    )


def _place(error: BaseException) -> str:
    """The kind of a fault and where it happened; not its text, which may hold what was read."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{at.tb_frame.f_globals.get('__name__')}:{at.tb_lineno}" if at else "unknown place"
    return f"{type(error).__name__} at {where}"


def main() -> None:
    """The console script."""
    _open_closed_streams()
    code = run(sys.argv[1:], process_environment())
    _leave_nothing_to_write()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Give a process that was started with closed streams (`>&-`) ones that take everything: the exit code is as otherwise.

    The descriptors too, before a file is opened: the store's would become the one that errors are printed to.
    """
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= 2:
        os.set_inheritable(opened, True)
        opened = os.open(os.devnull, os.O_RDWR)
    os.close(opened)
    # Python says None for a stream that was closed when it started.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # reason: as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # reason: as long as the process


def _leave_nothing_to_write() -> None:
    """Let go of what the output does not take: Python would try again at its end, and leave with an exit code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
