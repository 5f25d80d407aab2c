"""The sandbox: a small, stateful ARM of our own on loopback, for the demonstration, the tests and the benchmarks.

`Sandbox` is the object, `run` serves it for the command line. Nothing of it reaches Azure.
"""

from __future__ import annotations

from driftguard.sandbox.estate import (
    OTHER_SUBSCRIPTION,
    OTHER_TENANT,
    SUBSCRIPTION,
    TENANT,
    default_estate,
)
from driftguard.sandbox.estate_many import many
from driftguard.sandbox.sandbox import Sandbox

__all__ = [
    "OTHER_SUBSCRIPTION",
    "OTHER_TENANT",
    "SUBSCRIPTION",
    "TENANT",
    "Sandbox",
    "default_estate",
    "many",
    "run",
]

_EXAMPLE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network/providers/Microsoft.Network/virtualNetworks"


def run(port: int, host: str = "127.0.0.1") -> None:
    """Serve the default estate until Ctrl-C. Raises WrongUse for an address that is not loopback or already in use."""
    Sandbox().serve_forever(port, host, ready=_tell)


def _tell(endpoint: str) -> None:
    address = f"{endpoint}{_EXAMPLE}/vnet-shop?api-version=2024-05-01"
    print(f"The sandbox answers as Azure Resource Manager at {endpoint}")
    print(f"Control:  {endpoint}/sandbox/ids  (faults, latency, clock, throttle, touch, platform, log)")
    print(f"Example:  curl -H 'Authorization: Bearer person-portal' '{address}'")
    print("Stop it with Ctrl-C.", flush=True)
