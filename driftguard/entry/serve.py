"""The service on this machine: the HTTP interface and its pages over uvicorn, and the loop beside it.

Rules:
- Without an identity provider it listens on loopback only, and lets in whoever holds the token that it made at this start.
  With one, that token does not exist.
- On loopback it answers to this machine's own names only, so that no page of another site can reach it through a name that
  points here.
- What it needs is looked at before it says that it serves (started.py). The address is told once it can be called.
- It ends within seconds, and with exit code 0, on Ctrl-C or SIGTERM.
- Requests are not logged, and what it sends says neither server nor version.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from driftguard.entry.started import Started, address_to_call, require_policy, scope_to_ask_for, tell_what_is_wrong
from driftguard.errors import BadConfiguration
from driftguard.loopback import is_loopback

if TYPE_CHECKING:
    import uvicorn

    from driftguard.entry.http.service import Service
    from driftguard.entry.http.sessions import Sessions
    from driftguard.flow.access import Identities
    from driftguard.settings import Settings
    from driftguard.wiring import SharedGuard

OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
_GRACE_SECONDS = 3  # for answers that are on their way when the service ends
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, and how. `scan_every` in seconds; None: never. `certificate` and `key` are PEM files."""

    host: str
    port: int
    scan_every: float | None
    certificate: Path | None = None
    key: Path | None = None


def serve(settings: Settings, place: Place, ready: Callable[[Started], None], log: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called when it can be called. Raises BadConfiguration."""
    from driftguard.entry import background
    from driftguard.entry.http.service import Service
    from driftguard.settings import require_lasting_store
    from driftguard.wiring import SharedGuard

    require_lasting_store(settings)
    require_policy(settings)
    token, identities, sessions = _who_may(settings, place.host)
    # Closed also where it does not come to serving: what was measured until then is sent.
    with _listening(place) as listening, _closing(SharedGuard(settings)) as guard:
        service = Service(
            guard, identities, sessions, hosts=(*OWN_NAMES, place.host) if token else (), telemetry=guard.telemetry
        )
        server = _server(service, place)
        port = listening.getsockname()[1]
        address = address_to_call(place.host, port, https=place.certificate is not None)
        if token is None and place.certificate is None and not is_loopback(place.host):
            log("tokens come over http: let something before the service speak https, or give --tls-cert and --tls-key")
        tell_what_is_wrong(guard, log)
        stop = background.start(guard, scan_every=place.scan_every, now=time.monotonic, tell=log)
        try:
            invitation = f"{address}/ui/sign-in?token={sessions.invite()}" if sessions else None
            scope = scope_to_ask_for(settings) if token is None else None
            ready(Started(f"{place.host}, port {port}", address, token, invitation, scope))
            _run(server, listening)
        finally:
            stop()
    _end_the_process()


def _who_may(settings: Settings, host: str) -> tuple[str | None, Identities, Sessions | None]:
    """The token of this start, who is known, and the sessions of browsers. Raises BadConfiguration."""
    from driftguard.entry.http.sessions import Sessions
    from driftguard.wiring import identities_from, local_identity

    provider = identities_from(settings)
    if provider is not None:
        return None, provider, None
    if not is_loopback(host):
        raise BadConfiguration(
            f"without an identity provider the service does not listen on {host[:100]!r}",
            "leave --host out, or set DRIFTGUARD_AUTH_TENANT and DRIFTGUARD_AUTH_AUDIENCE",
        )
    token = secrets.token_urlsafe(32)
    local = local_identity(token, settings.starter or "")
    sessions = Sessions(local.caller(token), time.monotonic, lambda: secrets.token_urlsafe(32))
    return token, local, sessions


def _server(service: Service, place: Place) -> uvicorn.Server:
    """The server, with its certificate loaded. Raises BadConfiguration."""
    import uvicorn

    from driftguard.entry.api import create_app
    from driftguard.entry.connections import BoundedH11

    if (place.certificate is None) is not (place.key is None):
        raise BadConfiguration("TLS needs a certificate and its key", "give --tls-cert and --tls-key, or neither")
    config = uvicorn.Config(
        create_app(service),
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        http=BoundedH11,
        ws="none",
        loop="asyncio",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        ssl_keyfile_password="-",  # a key with a passphrase is refused, where none were given it would be asked for
    )
    try:
        config.load()
    except OSError as error:  # also ssl.SSLError
        raise BadConfiguration(
            f"the certificate or its key cannot be used ({type(error).__name__})",
            "give PEM files that belong together, the key without a passphrase",
        ) from None

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # an answer cut off now is no fault
            super().handle_exit(sig, frame)

    return Server(config)


def _listening(place: Place) -> socket.socket:
    """A socket that already takes connections. Raises BadConfiguration."""
    host = "127.0.0.1" if place.host.lower() == "localhost" else place.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: only then does asyncio send an answer at once, and not wait for the other side's acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two services share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, place.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise _cannot_listen(place, error) from None
    return listening


def _cannot_listen(place: Place, error: OSError) -> BadConfiguration:
    if error.errno == errno.EADDRINUSE:
        return BadConfiguration(f"port {place.port} is in use", "name another one: --port PORT; 0 takes a free one")
    why = error.strerror or type(error).__name__
    return BadConfiguration(
        f"the service cannot listen on {place.host[:100]} port {place.port}: {why}", "name another --host or --port"
    )


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    """Serve until a signal. uvicorn raises the signal again once it has ended: here that ends nothing more."""
    if threading.current_thread() is not threading.main_thread():
        server.run(sockets=[listening])
        return

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _closing(guard: SharedGuard) -> Iterator[SharedGuard]:
    """Close the store at the end, so that all of it is in its file; no longer than a moment, whatever holds it."""
    try:
        yield guard
    finally:
        closing = threading.Thread(target=guard.close, daemon=True)
        closing.start()
        closing.join(timeout=_GRACE_SECONDS)


def _end_the_process() -> None:
    """End the process now: Python would wait for every thread that still reads ARM for a check nobody waits for.

    What they leave is what a process leaves that was killed: the store is written in whole commits only.
    """
    if threading.current_thread() is threading.main_thread():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more: that it ended is what is told
                stream.flush()
        os._exit(0)
