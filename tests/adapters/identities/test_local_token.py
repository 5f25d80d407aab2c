"""The token of a service on one's own machine, and which identity provider the settings ask for."""

from __future__ import annotations

import pytest

from driftguard.adapters.identities.entra import Entra
from driftguard.adapters.identities.local_token import LocalToken
from driftguard.errors import BadConfiguration, NotSignedIn
from driftguard.flow.access import Role
from driftguard.flow.review import Person
from driftguard.settings import read_settings
from driftguard.wiring import identities_from, local_identity
from tests.simulators.identity_provider import AUDIENCE, TENANT

TOKEN = "t" * 43


def test_whoever_holds_the_token_may_do_everything_under_an_asserted_name() -> None:
    caller = local_identity(TOKEN, "dana").caller(TOKEN)
    assert caller.person == Person("dana", asserted=True)
    assert caller.is_person
    assert caller.everything
    assert all(caller.has(role) for role in Role)


@pytest.mark.parametrize("other", ["", TOKEN[:-1], TOKEN + "t", TOKEN.upper(), TOKEN[:-1] + "é", "\ud800", "\0"])
def test_any_other_token_is_nobodys(other: str) -> None:
    with pytest.raises(NotSignedIn) as caught:
        LocalToken(TOKEN, "dana").caller(other)
    assert TOKEN not in str(caught.value)


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(BadConfiguration) as caught:
        LocalToken("short", "dana")
    assert "short" not in caught.value.message
    assert TOKEN not in repr(LocalToken(TOKEN, "dana"))


def test_without_settings_there_is_no_identity_provider() -> None:
    assert identities_from(read_settings({})) is None


def test_tenant_and_audience_make_an_identity_provider() -> None:
    environ = {"DRIFTGUARD_AUTH_TENANT": f" {TENANT.upper()} ", "DRIFTGUARD_AUTH_AUDIENCE": f"{AUDIENCE}, api://other"}
    assert isinstance(identities_from(read_settings(environ)), Entra)
    for cloud in ("usgov", "china"):
        assert identities_from(read_settings({**environ, "DRIFTGUARD_CLOUD": cloud})) is not None


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"DRIFTGUARD_AUTH_TENANT": TENANT}, "DRIFTGUARD_AUTH_AUDIENCE"),
        ({"DRIFTGUARD_AUTH_TENANT": TENANT, "DRIFTGUARD_AUTH_AUDIENCE": " , "}, "DRIFTGUARD_AUTH_AUDIENCE"),
        ({"DRIFTGUARD_AUTH_AUDIENCE": AUDIENCE}, "DRIFTGUARD_AUTH_TENANT"),
        ({"DRIFTGUARD_AUTH_AUTHORITY": "http://127.0.0.1:1"}, "DRIFTGUARD_AUTH_TENANT"),
        ({"DRIFTGUARD_AUTH_TENANT": "contoso.com", "DRIFTGUARD_AUTH_AUDIENCE": AUDIENCE}, "GUID"),
        (
            {
                "DRIFTGUARD_AUTH_TENANT": TENANT,
                "DRIFTGUARD_AUTH_AUDIENCE": AUDIENCE,
                "DRIFTGUARD_AUTH_AUTHORITY": "https://login.example",
            },
            "DRIFTGUARD_AUTH_AUTHORITY",
        ),
    ],
)
def test_a_half_or_wrong_setup_is_refused_and_never_taken_for_none(environ: dict[str, str], named: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        identities_from(read_settings(environ))
    assert named in caught.value.message
    assert caught.value.remedy
