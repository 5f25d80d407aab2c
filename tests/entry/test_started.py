"""What `driftguard serve` tells at its start is what a client can be set to."""

from __future__ import annotations

import pytest

from driftguard.entry.client.address import service_address
from driftguard.entry.started import Started, address_to_call, as_text, scope_to_ask_for
from driftguard.errors import BadConfiguration
from driftguard.settings import read_settings


@pytest.mark.parametrize(
    ("host", "https", "told"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:8765"),
        ("localhost", False, "http://127.0.0.1:8765"),
        ("::1", False, "http://[::1]:8765"),
        ("127.0.0.1", True, "https://127.0.0.1:8765"),
        ("0.0.0.0", False, "https://HOST:PORT"),
        ("192.0.2.1", False, "https://HOST:PORT"),
        ("::", True, "https://HOST:8765"),
        ("0.0.0.0", True, "https://HOST:8765"),
        ("guard.contoso.com", True, "https://guard.contoso.com:8765"),
    ],
)
def test_no_address_is_told_that_a_client_refuses(host: str, https: bool, told: str) -> None:
    address = address_to_call(host, 8765, https=https)
    assert address == told
    if "HOST" not in address:
        assert service_address(address).base == address
    if not https and "HOST" in address:
        with pytest.raises(BadConfiguration):
            service_address(f"http://{f'[{host}]' if ':' in host else host}:8765")


def test_on_every_address_behind_something_that_speaks_https() -> None:
    text = as_text(Started("0.0.0.0, port 8765", "https://HOST:PORT", None, None, "api://guard/.default"))
    assert text.splitlines() == [
        "Drift Guard listens on 0.0.0.0, port 8765. Stop it with Ctrl-C.",
        "",
        "For the command line (HOST and PORT of what speaks https before it):",
        "  export DRIFTGUARD_SERVER=https://HOST:PORT",
        "  export DRIFTGUARD_SERVER_SCOPE=api://guard/.default",
    ]


@pytest.mark.parametrize(
    ("audience", "scope"),
    [("api://guard", "api://guard/.default"), ("0a,api://guard", "api://guard/.default"), ("0a", "0a/.default")],
)
def test_the_scope_is_that_of_an_audience(audience: str, scope: str) -> None:
    settings = read_settings(
        {"DRIFTGUARD_AUTH_TENANT": "22222222-2222-2222-2222-222222222222", "DRIFTGUARD_AUTH_AUDIENCE": audience}
    )
    assert scope_to_ask_for(settings) == scope


def test_without_an_identity_provider_there_is_no_scope() -> None:
    assert scope_to_ask_for(read_settings({})) is None
