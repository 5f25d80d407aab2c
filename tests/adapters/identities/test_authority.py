"""Issuers and addresses of the identity provider: from the tables, or on this machine."""

from __future__ import annotations

import pytest

from driftguard.adapters.identities.authority import CLOUDS, Authority, is_guid
from driftguard.errors import BadConfiguration
from driftguard.flow.resource import CLOUDS as CLOUDS_OF_RESOURCES

TENANT = "aaaaaaaa-1111-4000-8000-000000000001"


def test_every_cloud_has_an_identity_provider_that_is_reached_over_tls() -> None:
    assert set(CLOUDS) == set(CLOUDS_OF_RESOURCES)
    for cloud in CLOUDS.values():
        assert cloud.authority.startswith("https://")
        assert cloud.v1_issuer.startswith("https://")
        assert not (cloud.authority + cloud.v1_issuer).endswith("/")


def test_addresses_follow_from_cloud_and_tenant() -> None:
    public = Authority.of(TENANT)
    assert public.keys == f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"
    assert public.issuers == (
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        f"https://sts.windows.net/{TENANT}/",
    )
    china = Authority.of(TENANT, "china")
    assert china.issuers == (
        f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0",
        f"https://sts.chinacloudapi.cn/{TENANT}/",
    )
    assert Authority.of(TENANT, "usgov").keys.startswith("https://login.microsoftonline.us/")


@pytest.mark.parametrize(
    "override",
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://localhost:1", "http://[::1]:8080", "http://127.9.9.9"],
)
def test_an_identity_provider_on_this_machine_is_for_trying_things_out(override: str) -> None:
    found = Authority.of(TENANT, override=override)
    assert found.keys == f"{override.rstrip('/')}/{TENANT}/discovery/v2.0/keys"
    assert found.issuers[0] == f"{override.rstrip('/')}/{TENANT}/v2.0"


@pytest.mark.parametrize(
    "override",
    [
        "https://login.microsoftonline.com",
        "https://127.0.0.1:8080",
        "http://login.example",
        "http://169.254.169.254",
        "http://127.0.0.1.example",
        "http://127.0.0.1@login.example",
        "http://user@127.0.0.1",
        "http://127.0.0.1:8080/path",
        "http://127.0.0.1:8080/?q",
        "http://127.0.0.1:8080/#f",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://2130706433",
        "http://0.0.0.0:80",
        "file:///etc/passwd",
        "127.0.0.1:8080",
        "http://",
        "",
    ],
)
def test_any_other_identity_provider_is_refused(override: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        Authority.of(TENANT, override=override)
    assert caught.value.remedy


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(BadConfiguration):
        Authority.of(TENANT, "germany")


def test_an_id_is_told_from_other_texts() -> None:
    assert is_guid(TENANT)
    assert is_guid(TENANT.upper())
    assert not any(map(is_guid, [TENANT + "\n", f"{{{TENANT}}}", TENANT.replace("-", ""), "", None, 5, "common"]))
