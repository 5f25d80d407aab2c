"""What all commands share: the common options, the guard they open, and how a result is told."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from driftguard.errors import DriftGuardError, NotFound
from driftguard.settings import Settings, read_settings

if TYPE_CHECKING:
    from driftguard.flow.review import Person
    from driftguard.guard.context import Guard


@dataclass
class Call:
    """One call of the command line: the environment, the common options once they are parsed.

    `run` runs another command line, for a command that plays others.
    """

    environ: Mapping[str, str]
    run: Callable[[Sequence[str], Mapping[str, str]], int]
    as_json: bool = False
    store: str | None = None
    policy: str | None = None
    server: str | None = None

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings. Raises BadConfiguration."""
        return read_settings(self.environ, store=self.store, policy=self.policy, server=self.server)

    @contextmanager
    def guard(self) -> Iterator[Guard]:
        """The guard of this call. A store that is not there is an error."""
        from driftguard.wiring import Opening, guard_from

        with guard_from(self.settings, Opening.NOW) as guard:
            yield guard

    @contextmanager
    def guard_that_may_begin(self) -> Iterator[Guard]:
        """As `guard`; a store that is not there is begun with the first write."""
        from driftguard.wiring import Opening, guard_from

        with guard_from(self.settings, Opening.BEGIN_AT_FIRST_WRITE) as guard:
            yield guard

    @contextmanager
    def guard_to_look_at(self) -> Iterator[Guard]:
        """As `guard`; a store or key that is not in order is an error where it is used."""
        from driftguard.wiring import Opening, guard_from

        with guard_from(self.settings, Opening.AT_FIRST_USE) as guard:
            yield guard

    def starter(self) -> Person | None:
        """Who started the run: from the CI system, else the operating system's user."""
        from driftguard.flow.review import Person

        return Person(self.settings.starter, asserted=True) if self.settings.starter else None

    def reviewer(self, name: str | None) -> Person:
        """Who decides: the name given, else the operating system's user; asserted, since nothing proves it."""
        from driftguard.flow.review import Person

        return Person(name or self.settings.starter or "", asserted=True)

    def tell(self, view: Callable[[], Any], text: Callable[[], str]) -> None:
        """Print a result: JSON for machines, text for people, coloured on a terminal only."""
        if self.as_json:
            from driftguard.render.json_views import json_text

            click.echo(json_text(view()))
        else:
            show(text())


def require_known_job(guard: Guard, job: str | None) -> None:
    """Raises NotFound for a job that was never recorded, WrongUse for what cannot be a job's name."""
    from driftguard.guard.work import Work

    if job is not None and not Work(guard.store, job, guard.clock.now()).exists:
        raise NotFound(f"there is no job {job}", "see driftguard jobs list")


COLOURS = {"HALT": "bold red", "PROCEED": "bold green", "CANNOT TELL": "bold yellow", "BUSY": "bold yellow"}


def show(text: str) -> None:
    """Print text for people: on a terminal, a verdict at the beginning is coloured."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from rich.console import Console
    from rich.text import Text

    shown = Text(text)
    for word, style in COLOURS.items():
        if text.startswith(word):
            shown.stylize(style, 0, len(word))
    Console(highlight=False, soft_wrap=True).print(shown)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what takes a while, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def report(call: Call, error: DriftGuardError) -> int:
    """Tell an error in one line; its exit code, also where the line cannot be written."""
    from driftguard.render.json_views import error_view, json_text
    from driftguard.render.text import error_text

    if call.as_json:
        with suppress(OSError):
            click.echo(json_text(error_view(error)))
    with suppress(OSError):
        click.echo(error_text(error), err=True)
    return error.exit_code


def common(command: Callable[..., int]) -> Callable[..., int]:
    """The options that every command has; the command gets the call as its first argument."""
    store = click.option("--store", metavar="PATH", help="The store (DRIFTGUARD_STORE; default .driftguard/store.db).")
    return _with_call(store(command))


def common_with_store_flag(command: Callable[..., int]) -> Callable[..., int]:
    """As `common`, where `--store` without a path means the store that the settings name."""
    store = click.option(
        "--store",
        metavar="[PATH]",
        is_flag=False,
        flag_value="",
        help="Look into the store too (without PATH: DRIFTGUARD_STORE, else the default).",
    )
    return _with_call(store(command))


def _with_call(command: Callable[..., int]) -> Callable[..., int]:
    def with_call(as_json: bool, store: str | None, policy: str | None, server: str | None, **rest: Any) -> int:
        call = click.get_current_context().find_object(Call)
        if call is None:
            raise RuntimeError("a command runs only through driftguard.entry.cli.run")
        call.as_json, call.store, call.policy, call.server = as_json, store, policy, server
        return command(call, **rest)

    functools.update_wrapper(with_call, command)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text."),
        click.option("--policy", metavar="FILE", help="The policy file (DRIFTGUARD_POLICY; default built in)."),
        click.option("--server", metavar="URL", help="A service to work with; not in this version."),
    ):
        with_call = option(with_call)
    return with_call


def run_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options that say for which run a command works."""
    stage = click.option("--stage", help="The stage of the run (default: from the CI system).")
    run = click.option("--run", help="The pipeline run (default: from the CI system; outside CI, check makes one).")
    ticket = click.option("--ticket", help="The change ticket, such as CHG0030001.")
    return ticket(run(stage(command)))
