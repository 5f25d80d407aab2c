"""What `driftguard serve` looks at and tells when it starts.

Rules:
- A policy that is missing or wrong, and settings under which no store can work, end it before anybody is told of a service.
- What else is not in order (a store that is locked, a key that is missing, what the policy warns of) is told, and it serves:
  every call says so until it is mended.
- No address is told that a client refuses: one that a token would go to in the open, or that is no address of a machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftguard.errors import BadConfiguration, DriftGuardError
from driftguard.loopback import is_loopback

if TYPE_CHECKING:
    from driftguard.settings import Settings
    from driftguard.wiring import SharedGuard

_EVERY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Started:
    """What is told at the start. `listening` is host and port as words, `server` what a client names: HOST, and PORT, stand in
    it where only its operator knows them. `token` and `invitation` (a browser's address, good for one use) only without an
    identity provider, `scope` (what a client signs in for) only with one.
    """

    listening: str
    server: str
    token: str | None
    invitation: str | None
    scope: str | None


def require_policy(settings: Settings) -> None:
    """Raises BadConfiguration where the policy is missing or wrong."""
    from driftguard.wiring import policy_loader

    policy_loader(settings)()


def tell_what_is_wrong(guard: SharedGuard, log: Callable[[str], None]) -> None:
    """Open the store, and tell what is not in order. Raises BadConfiguration."""
    from driftguard.flow.policy_notices import notices
    from driftguard.render.untrusted import one_line

    try:
        opened = guard()
        told = [f"policy: {notice}" for notice in notices(opened.policy(), opened.today())]
    except BadConfiguration:
        raise
    except DriftGuardError as error:
        told = [str(error)]
    for line in told:
        log(one_line(line, 500))


def address_to_call(host: str, port: int, *, https: bool) -> str:
    """What a client may name to reach a service that listens here."""
    own = "127.0.0.1" if host.lower() == "localhost" else host
    if is_loopback(own) or (https and host not in _EVERY_ADDRESS):
        return f"{'https' if https else 'http'}://{f'[{own}]' if ':' in own else own}:{port}"
    return f"https://HOST:{port}" if https else "https://HOST:PORT"


def scope_to_ask_for(settings: Settings) -> str | None:
    """The scope that clients sign in for; None without an identity provider."""
    audiences = sorted(settings.auth_audiences, key=lambda one: not one.startswith("api://"))
    return f"{audiences[0].rstrip('/')}/.default" if audiences else None


def as_view(started: Started) -> dict[str, str | None]:
    """{server, token, browser, listening, scope}; null for what there is not."""
    return {
        "server": started.server,
        "token": started.token,
        "browser": started.invitation,
        "listening": started.listening,
        "scope": started.scope,
    }


def as_text(started: Started) -> str:
    """The lines for people."""
    lines = [f"Drift Guard answers at {started.server}. Stop it with Ctrl-C."]
    if "//HOST:" in started.server:
        lines = [f"Drift Guard listens on {started.listening}. Stop it with Ctrl-C."]
    if started.invitation:
        lines += ["", "In a browser (this address works once, for ten minutes):", f"  {started.invitation}"]
    named = "PORT" if started.server.endswith(":PORT") else "HOST" if "//HOST:" in started.server else ""
    where = {"PORT": " (HOST and PORT of what speaks https before it)", "HOST": " (HOST as in its certificate)"}
    lines += ["", f"For the command line{where.get(named, '')}:", f"  export DRIFTGUARD_SERVER={started.server}"]
    lines += [f"  export DRIFTGUARD_TOKEN={started.token}"] if started.token else []
    lines += [f"  export DRIFTGUARD_SERVER_SCOPE={started.scope}"] if started.scope else []
    return "\n".join(lines)
