"""What all commands share: the common options, the guard or the service that they work with, and how a result is told.

Rules:
- Where a command works, in process or with a service, is checked before anything else (place.py).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from driftguard.entry.place import require_place, server_option
from driftguard.entry.telling import show
from driftguard.errors import NotAllowed
from driftguard.settings import Settings, read_settings

if TYPE_CHECKING:
    from driftguard.entry.verbs import Verbs
    from driftguard.flow.review import Person
    from driftguard.guard.context import Guard
    from driftguard.wiring_places import Opening


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
    def verbs(self, opening: Opening | None = None) -> Iterator[Verbs]:
        """The verbs: those of the service that the settings name, else in process.

        `opening` says how the store in process is opened; None: one that is not there is an error.
        """
        if self.settings.server:
            from driftguard.entry.remote import open_remote

            with open_remote(self.settings) as remote:
                yield remote
            return
        from driftguard.entry.in_process import InProcess
        from driftguard.wiring import guard_from
        from driftguard.wiring_places import Opening

        with guard_from(self.settings, opening or Opening.NOW) as guard:
            yield InProcess(guard)

    @contextmanager
    def guard(self) -> Iterator[Guard]:
        """The guard of this call. A store that is not there is an error."""
        from driftguard.wiring import guard_from
        from driftguard.wiring_places import Opening

        with guard_from(self.settings, Opening.NOW) as guard:
            yield guard

    @contextmanager
    def guard_to_look_at(self) -> Iterator[Guard]:
        """As `guard`; a store or key that is not in order is an error where it is used."""
        from driftguard.wiring import guard_from
        from driftguard.wiring_places import Opening

        with guard_from(self.settings, Opening.AT_FIRST_USE) as guard:
            yield guard

    def starter(self) -> Person | None:
        """Who started the run: from the CI system, else the operating system's user."""
        from driftguard.flow.review import Person

        return Person(self.settings.starter, asserted=True) if self.settings.starter else None

    def reviewer(self, name: str | None, *, decides: bool = True) -> Person:
        """Who decides: the name given, else the operating system's user; asserted, since nothing proves it.

        With a service and no name it is whoever the service knows the caller to be. Raises NotAllowed for a decision
        through a service inside CI; in process the guard refuses it.
        """
        from driftguard.flow.review import Person

        if not self.settings.server:
            return Person(name or self.settings.starter or "", asserted=True)
        if decides and self.settings.in_ci:
            raise NotAllowed(
                "a decision is refused inside CI: a pipeline must not release itself",
                "decide on a workstation, under your own sign-in",
            )
        return Person(name or "", asserted=True)

    def tell(self, view: Callable[[], Any], text: Callable[[], str]) -> None:
        """Print a result: JSON for machines, text for people, coloured on a terminal only."""
        if self.as_json:
            from driftguard.render.json_views import json_text

            click.echo(json_text(view()))
        else:
            show(text())


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what takes a while, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


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


def in_process(command: Callable[..., int]) -> Callable[..., int]:
    """For a command without the common options: it refuses a service as all do that are not served."""

    def with_place(server: str | None, **rest: Any) -> int:
        call = _call()
        call.as_json = bool(rest.get("as_json"))  # so that a refusal is told as was asked
        require_place(call.environ, server, None, None)
        return command(call, **rest)

    return server_option(functools.update_wrapper(with_place, command))


def _with_call(command: Callable[..., int]) -> Callable[..., int]:
    def with_call(as_json: bool, store: str | None, policy: str | None, server: str | None, **rest: Any) -> int:
        call = _call()
        call.as_json, call.store, call.policy, call.server = as_json, store, policy, server
        require_place(call.environ, server, store, policy)
        return command(call, **rest)

    functools.update_wrapper(with_call, command)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text."),
        click.option("--policy", metavar="FILE", help="The policy file (DRIFTGUARD_POLICY; default built in)."),
        server_option,
    ):
        with_call = option(with_call)
    return with_call


def _call() -> Call:
    call = click.get_current_context().find_object(Call)
    if call is None:
        raise RuntimeError("a command runs only through driftguard.entry.cli.run")
    return call


def run_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options that say for which run a command works."""
    stage = click.option("--stage", help="The stage of the run (default: from the CI system).")
    run = click.option("--run", help="The pipeline run (default: from the CI system; outside CI, check makes one).")
    ticket = click.option("--ticket", help="The change ticket, such as CHG0030001.")
    return ticket(run(stage(command)))


def as_option(who: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The option `--as`, for the commands by which a person decides."""
    default = "default: the operating system's user; with a service, who is signed in"
    return click.option("--as", "name", metavar="NAME", help=f"{who} ({default}).")
