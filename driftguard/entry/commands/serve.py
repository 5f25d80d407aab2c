"""driftguard serve"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftguard.entry.call import Call, common
from driftguard.errors import WrongUse

if TYPE_CHECKING:
    from driftguard.entry.serve import Started

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SHORTEST, _LONGEST = 60.0, 7 * 86_400.0


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option(
    "--scan-every",
    metavar="TIME",
    default="15m",
    show_default=True,
    help="How often every job is judged, such as 15m; off for never.",
)
@click.option("--tls-cert", metavar="FILE", type=click.Path(path_type=Path), help="A certificate (PEM), for https.")
@click.option("--tls-key", metavar="FILE", type=click.Path(path_type=Path), help="The certificate's key (PEM).")
@common
def serve(call: Call, host: str, port: int, scan_every: str, tls_cert: Path | None, tls_key: Path | None) -> int:
    """Run the service on this machine until Ctrl-C: the HTTP interface, its pages, and scans.

    It prints an address for the browser, which works once, and what the command line needs to work with it. Without an
    identity provider (DRIFTGUARD_AUTH_TENANT) it listens on this machine only.
    """
    from driftguard.entry.serve import Place
    from driftguard.entry.serve import serve as serve_here

    place = Place(host, port, _seconds(scan_every), tls_cert, tls_key)

    def ready(started: Started) -> None:
        click.echo(_as_json(started) if call.as_json else _as_text(started))

    serve_here(call.settings, place, ready, lambda line: click.echo(f"driftguard: {line}", err=True))
    return 0


def _as_json(started: Started) -> str:
    return json.dumps({"server": started.server, "token": started.token, "browser": started.invitation})


def _as_text(started: Started) -> str:
    lines = [f"Drift Guard answers at {started.server}. Stop it with Ctrl-C."]
    if started.invitation:
        lines += ["", "In a browser (this address works once, for ten minutes):", f"  {started.invitation}"]
    lines += ["", "For the command line:", f"  export DRIFTGUARD_SERVER={started.server}"]
    lines += [f"  export DRIFTGUARD_TOKEN={started.token}"] if started.token else []
    return "\n".join(lines)


def _seconds(text: str) -> float | None:
    """`15m`, `1h`, `90s`, or None for `off`. Raises WrongUse."""
    if text.strip().lower() == "off":
        return None
    match = re.fullmatch(r"(\d{1,6})([smh])", text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise WrongUse(
            f"--scan-every {text[:50]!r} is no time that can be used", "write 1m to 168h, such as 15m, or off"
        )
    return seconds
