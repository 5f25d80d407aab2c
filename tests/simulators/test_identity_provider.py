"""The identity provider of the tests does what the tests of the product take it to do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from tests.simulators.identity_provider import (
    AUDIENCE,
    TENANT,
    IdentityProvider,
    elliptic_jwk,
    identity_provider,
    kid,
    private_key,
)

APP = "11111111-0000-4000-8000-000000000001"
ROB = "22222222-0000-4000-8000-000000000002"


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


def answer(provider: IdentityProvider, path: str = "/discovery/v2.0/keys") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"{provider.address}/{TENANT}{path}", timeout=5.0) as got:
            return got.status, got.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_it_publishes_the_key_that_it_signs_with(provider: IdentityProvider) -> None:
    status, body = answer(provider)
    assert (status, provider.asked) == (200, 1)
    (key,) = json.loads(body)["keys"]
    assert key["kid"] == kid(0)
    assert "d" not in key, "the private part stays here"
    token = provider.sign(provider.application(APP, "Pipeline"))
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=AUDIENCE, issuer=provider.issuer)
    assert (claims["azp"], claims["roles"], claims["idtyp"]) == (APP, ["Pipeline"], "app")


def test_its_configuration_names_the_address_of_its_keys(provider: IdentityProvider) -> None:
    told = json.loads(answer(provider, "/v2.0/.well-known/openid-configuration")[1])
    assert told["issuer"] == provider.issuer
    assert told["jwks_uri"].endswith("/discovery/v2.0/keys")
    assert answer(provider, "/nothing")[0] == 404


def test_a_person_and_an_application_have_the_claims_of_their_kind(provider: IdentityProvider) -> None:
    person, application = provider.person(ROB, "Reviewer"), provider.application(APP, "Pipeline")
    assert (person["oid"], person["scp"], "idtyp" in person) == (ROB, "user_impersonation", False)
    assert ("scp" in application, application["oid"] == APP) == (False, False)


def test_a_rotated_key_replaces_the_earlier_one_or_stands_beside_it(provider: IdentityProvider) -> None:
    provider.rotate(keep=True)
    assert [key["kid"] for key in provider.key_set()["keys"]] == [kid(0), kid(1)]
    provider.rotate()
    assert [key["kid"] for key in provider.key_set()["keys"]] == [kid(2)]
    assert jwt.get_unverified_header(provider.sign({}))["kid"] == kid(2)
    assert jwt.get_unverified_header(provider.sign({}, key=0))["kid"] == kid(0)


def test_it_mints_what_no_identity_provider_would(provider: IdentityProvider) -> None:
    unsigned = provider.sign({"oid": ROB}, algorithm="none")
    assert unsigned.endswith(".")
    assert jwt.get_unverified_header(unsigned)["alg"] == "none"
    confused = provider.sign({"oid": ROB}, algorithm="HS256")
    assert jwt.get_unverified_header(confused)["alg"] == "HS256"
    assert jwt.get_unverified_header(provider.sign({}, algorithm="PS256"))["alg"] == "PS256"
    provider.extra_keys.append(elliptic_jwk("elliptic"))
    elliptic = provider.sign({"oid": ROB}, algorithm="ES256", kid="elliptic")
    key = jwt.PyJWK(dict(provider.key_set()["keys"][1]))
    assert jwt.decode(elliptic, key, algorithms=["ES256"]) == {"oid": ROB}
    odd: Any = jwt.api_jws.decode(provider.sign("no object"), private_key(0).public_key(), algorithms=["RS256"])
    assert odd == b"no object"


@pytest.mark.parametrize(
    ("mode", "status", "begin"),
    [
        ("down", 503, b"{}"),
        ("garbage", 200, b"<html>"),
        ("empty", 200, b""),
        ("no keys", 200, b'{"keys": []}'),
        ("endless", 200, b"[[["),
        ("redirect", 404, b"{}"),  # this client follows it, to nothing
    ],
)
def test_it_fails_as_it_is_told(provider: IdentityProvider, mode: str, status: int, begin: bytes) -> None:
    provider.mode = mode
    got = answer(provider)
    assert (got[0], got[1][: len(begin)]) == (status, begin)


def test_a_slow_one_answers_nothing_in_time(provider: IdentityProvider) -> None:
    provider.mode = "slow"
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        urllib.request.urlopen(f"{provider.address}/{TENANT}/discovery/v2.0/keys", timeout=0.1)
