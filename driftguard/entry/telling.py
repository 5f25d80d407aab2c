"""How a result and an error are told: on the standard output, one line of error beside it, and by the exit code.

Rules:
- A result without an exit code is no result: it ends with 2, never with 0.
- Colour is for a terminal only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from driftguard.errors import CannotTell, DriftGuardError

if TYPE_CHECKING:
    from driftguard.entry.verbs import Verbs


def exit_code_of(view: Mapping[str, Any]) -> int:
    """The exit code that a result names. Raises CannotTell for a result that names none."""
    code = view.get("exit_code")
    if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code <= 4:
        raise CannotTell("the answer says no exit code", "look whether the service is of this version, and ask again")
    return code


def review_lines(verbs: Verbs, view: Mapping[str, Any]) -> list[str]:
    """Where the halt of a result is reviewed, as a line to print; none where there is no halt or no service."""
    from driftguard.render.members import mapping, text
    from driftguard.render.untrusted import one_line

    halt = text(mapping(view, "halt"), "id")
    address = verbs.review_address(halt) if halt else None
    return ["", f"Review: {one_line(address, 500)}"] if address else []


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


def report(error: DriftGuardError, as_json: bool) -> int:
    """Tell an error in one line; its exit code, also where the line cannot be written."""
    from driftguard.render.json_views import error_view, json_text
    from driftguard.render.text import error_text

    if as_json:
        with suppress(OSError):
            click.echo(json_text(error_view(error)))
    with suppress(OSError):
        click.echo(error_text(error), err=True)
    return error.exit_code
