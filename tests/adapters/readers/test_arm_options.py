"""Where ARM may be, and with which token."""

from __future__ import annotations

import pytest

from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.readers.arm_transport import ArmTransport
from driftguard.errors import BadConfiguration
from tests.adapters.readers.arm_stub import FakeClock


@pytest.mark.parametrize(
    ("cloud", "address"),
    [
        ("public", "https://management.azure.com"),
        ("usgov", "https://management.usgovcloudapi.net"),
        ("china", "https://management.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_the_endpoint_of_the_sdk(cloud: str, address: str, clock: FakeClock) -> None:
    assert ArmTransport(ArmOptions(cloud=cloud), clock, connections=1).base_url == address


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:80", "http://localhost:1/", "https://[::1]:9", "http://127.8.8.8"]
)
def test_an_endpoint_on_this_machine_is_allowed(endpoint: str) -> None:
    assert ArmOptions(endpoint=endpoint, token="t").endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:80",
        "http://",
        "ftp://127.0.0.1",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "https://management.azure.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://user:secret@127.0.0.1",
        "http://127.0.0.1:port",
        "http://127.0.0.1/path",
        "http://127.0.0.1?x=1",
        "http://127.0.0.1#x",
        "http://[::1",
        "http://0.0.0.0",
        "http://2130706433",
    ],
)
def test_a_token_is_never_sent_to_another_host(endpoint: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        ArmOptions(endpoint=endpoint, token="canary")
    assert refused.value.remedy and "canary" not in str(refused.value)


def test_a_local_endpoint_needs_a_token_and_a_token_a_local_endpoint() -> None:
    with pytest.raises(BadConfiguration, match="needs a token"):
        ArmOptions(endpoint="http://127.0.0.1:1")
    with pytest.raises(BadConfiguration, match="only for an ARM endpoint on this machine"):
        ArmOptions(token="t")


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="germany"):
        ArmOptions(cloud="germany")


def test_the_token_is_not_shown() -> None:
    assert "canary" not in repr(ArmOptions(endpoint="http://127.0.0.1:1", token="canary"))


def test_what_is_cached_of_a_local_endpoint_is_kept_apart() -> None:
    names = {
        ArmOptions().cache_name,
        ArmOptions(cloud="china").cache_name,
        ArmOptions(endpoint="http://127.0.0.1:1", token="t").cache_name,
        ArmOptions(endpoint="http://127.0.0.1:2", token="t").cache_name,
    }
    assert len(names) == 4 and all("/" not in name and ":" not in name for name in names)
