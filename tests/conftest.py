"""What holds for every test.

- The environment says neither "inside CI" nor where a store, a service or an Azure account is.
- Nothing connects to, sends to or looks up a host other than this machine's loopback.
- Hypothesis tries the same examples in every run and has no deadline; `make soak` tries many more, at random.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.azurite.server import Azurite, running_azurite

CI_VARIABLES = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL")
OUR_PREFIXES = ("DRIFTGUARD_", "AZURE_", "APPLICATIONINSIGHTS_", "OTEL_")
KEPT = ("DRIFTGUARD_CORPUS",)  # read by tests/corpus.py only

# A busy machine is slow: that is no defect of the code under test.
_SLOW_MACHINE = [HealthCheck.too_slow]
settings.register_profile(
    "steady", derandomize=True, database=None, deadline=None, print_blob=True, suppress_health_check=_SLOW_MACHINE
)
settings.register_profile(
    "soak", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=_SLOW_MACHINE
)
settings.load_profile("steady")  # --hypothesis-profile=soak is applied after this


class NetworkForbidden(RuntimeError):
    """A test tried to leave this machine. Not an OSError, so that no adapter takes it for an ordinary failure."""


def _is_loopback(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: sees every way in which this process connects, whatever library asks for it."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        allowed = not isinstance(address, tuple) or _is_loopback(address[0])  # a path is an AF_UNIX socket
    elif event == "socket.getaddrinfo":
        address = arguments[0]
        allowed = _is_loopback(address)
    else:
        return
    if not allowed:
        raise NetworkForbidden(f"tests talk to loopback only, not to {address!r}")


sys.addaudithook(_loopback_only)


@pytest.fixture(autouse=True, scope="session")
def plain_environment() -> Iterator[None]:
    """Takes the variables away that would change what Drift Guard does, for all tests and fixtures."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if (name in CI_VARIABLES or name.startswith(OUR_PREFIXES)) and name not in KEPT:
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure Storage on this machine; a test takes names of its own in it. Skips where it cannot be started."""
    with running_azurite() as running:
        yield running
