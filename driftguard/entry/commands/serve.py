"""driftguard serve"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import click

from driftguard.entry.call import Call, common
from driftguard.errors import WrongUse

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
    from driftguard.entry.started import Started, as_text, as_view

    place = Place(host, port, _seconds(scan_every), tls_cert, tls_key)

    def ready(started: Started) -> None:
        click.echo(json.dumps(as_view(started)) if call.as_json else as_text(started))

    def log(line: str) -> None:
        with suppress(OSError):  # a log that is full or gone does not end the service
            click.echo(f"driftguard: {line}", err=True)

    serve_here(call.settings, place, ready, log)
    return 0


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
