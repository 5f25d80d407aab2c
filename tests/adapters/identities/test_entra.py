"""Whose token counts as whose: every way in which a token can be wrong, and what a right one tells."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.adapters.identities.entra import LONGEST_TOKEN, Entra
from driftguard.errors import BadConfiguration, NotSignedIn, Unavailable
from driftguard.flow.access import Role
from driftguard.flow.review import Person, same_person
from tests.simulators.identity_provider import (
    AUDIENCE,
    AZURE_CLI,
    CLIENT_ID,
    OTHER_TENANT,
    TENANT,
    IdentityProvider,
    elliptic_jwk,
    identity_provider,
    public_jwk,
    short_key,
)

APP = "11111111-0000-4000-8000-000000000001"
ROB = "22222222-0000-4000-8000-000000000002"
GROUP = "33333333-0000-4000-8000-00000000000A"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture(scope="module")
def entra(provider: IdentityProvider) -> Entra:
    return Entra(TENANT.upper(), [CLIENT_ID, AUDIENCE], override=provider.address)


def refusal(entra: Entra, token: str) -> str:
    with pytest.raises(NotSignedIn) as caught:
        entra.caller(token)
    assert caught.value.remedy
    for part in token.split("."):
        assert len(part) < 8 or part not in str(caught.value), "no text of a token gets into a message"
    return caught.value.message


def test_an_application_is_known_by_its_ids(provider: IdentityProvider, entra: Entra) -> None:
    caller = entra.caller(provider.sign(provider.application(APP, "Pipeline", "Unknown.Role")))
    assert (caller.is_person, caller.roles, caller.everything) == (False, frozenset({Role.PIPELINE}), False)
    assert caller.person == Person(APP, "ffffffff" + APP[8:], APP)
    assert caller.ids == {APP, "ffffffff" + APP[8:]}
    assert caller.all_groups


def test_a_person_is_known_by_object_id_and_name(provider: IdentityProvider, entra: Entra) -> None:
    claims = provider.person(ROB.upper(), "Reviewer", groups=[GROUP], preferred_username="rob@contoso.com")
    caller = entra.caller(provider.sign(claims))
    assert (caller.is_person, caller.roles) == (True, frozenset({Role.REVIEWER}))
    assert caller.person == Person("rob@contoso.com", ROB)
    assert not caller.person.asserted
    assert caller.ids == {ROB, GROUP.lower()}


def test_two_people_who_use_the_same_client_are_two_people(provider: IdentityProvider, entra: Entra) -> None:
    one, other = (
        entra.caller(provider.sign(provider.person(f"{number}{ROB[1:]}", azp=AZURE_CLI))).person for number in (4, 5)
    )
    assert not same_person(one, other, {})


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"upn": "u", "preferred_username": "p", "unique_name": "n"}, "u"),
        ({"preferred_username": "p", "unique_name": "n"}, "p"),
        ({"preferred_username": None, "unique_name": "n"}, "n"),
        ({"preferred_username": {"a": 1}}, ""),
        ({"preferred_username": "x" * 257}, ""),
    ],
)
def test_the_directorys_own_name_goes_first(
    provider: IdentityProvider, entra: Entra, claims: dict[str, Any], name: str
) -> None:
    assert entra.caller(provider.sign(provider.person(ROB, **claims))).person.name == name


def test_every_name_of_the_token_is_one_of_the_person(provider: IdentityProvider, entra: Entra) -> None:
    names = {"preferred_username": "dana@fabrikam.com", "unique_name": "dana", "email": "d.doe@fabrikam.com"}
    guest = "dana_doe_fabrikam.com#EXT#@contoso.onmicrosoft.com"
    person = entra.caller(provider.sign(provider.person(ROB, upn=guest, **names))).person
    assert (person.name, person.aliases) == (guest, (*names.values(), "dana_doe@fabrikam.com"))
    for name in ("DANA@fabrikam.com", "dana", "d.doe@fabrikam.com", "dana_doe@fabrikam.com"):
        assert same_person(person, Person(name, asserted=True), {})


@pytest.mark.parametrize("name", ["#EXT#@contoso.com", "dana#EXT#@contoso.com", "_a.b#EXT#@c.com", "dana_x#EXT#@c.com"])
def test_what_only_looks_like_the_name_of_a_guest_has_no_other_name(
    provider: IdentityProvider, entra: Entra, name: str
) -> None:
    assert entra.caller(provider.sign(provider.person(ROB, upn=name, preferred_username=name))).person.aliases == ()


def test_an_application_has_no_names_of_a_person(provider: IdentityProvider, entra: Entra) -> None:
    claims = provider.application(APP, "Pipeline", upn="dana@contoso.com", email="dana@contoso.com")
    assert entra.caller(provider.sign(claims)).person == Person(APP, "ffffffff" + APP[8:], APP)


def test_a_token_of_version_1_counts_as_well(provider: IdentityProvider, entra: Entra) -> None:
    old = {"iss": f"https://sts.windows.net/{TENANT}/", "ver": "1.0", "aud": CLIENT_ID}
    application = provider.application(APP, "Pipeline", **old, appid=APP)
    del application["azp"]
    assert entra.caller(provider.sign(application)).person.app_id == APP
    assert entra.caller(provider.sign(provider.person(ROB, upn="rob@contoso.com", **old))).person.object_id == ROB


NOW = int(time.time())
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": NOW - 120}, "expired"),
    "without an end": ({"exp": None}, "not valid"),
    "an end that is no number": ({"exp": "soon"}, "not valid"),
    "an endless end": ({"exp": float("inf")}, "not valid"),
    "not yet valid": ({"nbf": NOW + 3600}, "not valid yet"),
    "issued later": ({"iat": NOW + 3600}, "not valid yet"),
    "another audience": ({"aud": "https://management.azure.com"}, "another application"),
    "no audience": ({"aud": None}, "not valid"),
    "several audiences": ({"aud": [AUDIENCE, "https://graph.microsoft.com"]}, "several applications"),
    "an audience with a slash more": ({"aud": AUDIENCE + "/"}, "another application"),
    "another issuer": ({"iss": "https://sts.windows.net/common/"}, "another issuer"),
    "another tenant's issuer": ({"iss": f"https://sts.windows.net/{OTHER_TENANT}/"}, "another issuer"),
    "an issuer that begins alike": ({"iss": f"https://sts.windows.net/{TENANT}/x"}, "another issuer"),
    "no issuer": ({"iss": None}, "not valid"),
    "an issuer that is a list": ({"iss": [f"https://sts.windows.net/{TENANT}/"]}, "another issuer"),
    "another tenant": ({"tid": OTHER_TENANT}, "another issuer or tenant"),
    "no tenant": ({"tid": None}, "no id of a tenant"),
    "no object id": ({"oid": None}, "no id of who signed in"),
    "an object id that is none": ({"oid": "rob@contoso.com"}, "no id of who signed in"),
    "an object id that is a list": ({"oid": [ROB]}, "no id of who signed in"),
    "a subject that is no text": ({"sub": 5}, "not valid"),
    "roles that are a text": ({"roles": "Reviewer"}, "roles are no list"),
    "roles that are numbers": ({"roles": [1]}, "roles are no list"),
    "groups that are a table": ({"groups": {GROUP: True}}, "groups are no list"),
    "both kinds": ({"idtyp": "app"}, "whether a person or an application"),
    "neither kind": ({"scp": None}, "whether a person or an application"),
    "an empty scope": ({"scp": " "}, "whether a person or an application"),
    "a scope that is a list": ({"scp": ["user_impersonation"]}, "whether a person or an application"),
    "a kind that is not known": ({"idtyp": "device"}, "whether a person or an application"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_that_proves_nobody_is_refused(provider: IdentityProvider, entra: Entra, wrong: str) -> None:
    changed, reason = WRONG[wrong]
    claims = {**provider.person(ROB, "Reviewer"), **changed}
    token = provider.sign({claim: value for claim, value in claims.items() if value is not None})
    assert reason in refusal(entra, token)


def test_an_application_must_name_itself_and_have_no_scope(provider: IdentityProvider, entra: Entra) -> None:
    nameless = provider.application(APP, "Pipeline")
    del nameless["azp"]
    assert "of the application" in refusal(entra, provider.sign(nameless))
    assert "of the application" in refusal(entra, provider.sign(provider.application(APP, azp="pipeline")))
    scopes: tuple[Any, ...] = ("user_impersonation", "", None, [])
    for scope in scopes:
        assert "whether" in refusal(entra, provider.sign(provider.application(APP, scp=scope)))


def test_a_clock_that_is_a_little_off_is_no_reason(provider: IdentityProvider, entra: Entra) -> None:
    now = int(time.time())
    assert entra.caller(provider.sign(provider.person(ROB, exp=now - 20))).is_person
    assert entra.caller(provider.sign(provider.person(ROB, nbf=now + 30, iat=now + 30))).is_person


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES256"])
def test_only_one_algorithm_counts(provider: IdentityProvider, entra: Entra, algorithm: str) -> None:
    asked = provider.asked
    assert "RS256" in refusal(entra, provider.sign(provider.person(ROB, "Reviewer"), algorithm=algorithm))
    assert provider.asked == asked, "no key is looked up for it"


@pytest.mark.parametrize("spelling", ["None", "NONE", "nOnE", "rs256", "", None, 5, ["RS256"]])
def test_another_spelling_of_an_algorithm_is_another_algorithm(
    provider: IdentityProvider, entra: Entra, spelling: Any
) -> None:
    head, payload, signature = provider.sign(provider.person(ROB, "Reviewer")).split(".")
    forged = provider.sign(provider.person(ROB), algorithm="none", alg=spelling).split(".")[0]
    assert forged != head
    refusal(entra, f"{forged}.{payload}.{signature}")
    refusal(entra, f"{forged}.{payload}.")


def test_what_was_signed_is_what_counts(provider: IdentityProvider, entra: Entra) -> None:
    head, payload, signature = provider.sign(provider.person(ROB, "Reader")).split(".")
    more = provider.sign(provider.person(ROB, "Reviewer")).split(".")[1]
    assert "not valid" in refusal(entra, f"{head}.{more}.{signature}")
    assert "not valid" in refusal(entra, f"{head}.{payload}.")
    assert "not valid" in refusal(entra, f"{head}.{payload}.{signature[:-8]}AAAAAAAA")


def test_a_key_of_another_kind_or_too_short_signs_nothing() -> None:
    from jwt import PyJWS
    from jwt.algorithms import RSAAlgorithm

    with identity_provider() as provider:
        entra = Entra(TENANT, [AUDIENCE], override=provider.address)
        short = {**RSAAlgorithm.to_jwk(short_key().public_key(), as_dict=True), "kid": "short", "use": "sig"}
        encrypting = {**public_jwk(7), "kid": "encrypting", "use": "enc"}
        shared = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "shared"}
        provider.extra_keys += [short, encrypting, shared, elliptic_jwk("elliptic")]
        payload = json.dumps(provider.person(ROB, "Reviewer")).encode()
        with pytest.warns(match="below"):
            weak = PyJWS().encode(payload, short_key(), algorithm="RS256", headers={"kid": "short"})
        assert "not valid" in refusal(entra, weak)
        assert "does not publish" in refusal(entra, provider.sign(provider.person(ROB), key=7, kid="encrypting"))
        for key_id in ("shared", "elliptic"):
            assert "not valid" in refusal(entra, provider.sign(provider.person(ROB), kid=key_id))


def test_a_key_in_the_token_itself_is_not_looked_at(provider: IdentityProvider, entra: Entra) -> None:
    claims = provider.person(ROB, "Reviewer")
    own = provider.sign(claims, key=8, jwk=public_jwk(8), jku=f"{provider.address}/mine", x5u="http://127.0.0.1:1/")
    assert "does not publish" in refusal(entra, own)
    named = provider.sign(claims, key=8, kid="key-0", jwk={**public_jwk(8), "kid": "key-0"})
    assert "not valid" in refusal(entra, named)


@pytest.mark.parametrize(
    "header",
    [{"kid": None}, {"kid": 5}, {"kid": ""}, {"kid": "../../keys"}, {"crit": ["exp"], "exp": 1}, {"b64": False}],
)
def test_an_odd_header_proves_nobody(provider: IdentityProvider, entra: Entra, header: dict[str, Any]) -> None:
    head = provider.sign({}, algorithm="none", **{"alg": "RS256", **header}).split(".")[0]
    _, payload, signature = provider.sign(provider.person(ROB, "Reviewer")).split(".")
    refusal(entra, f"{head}.{payload}.{signature}")


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "e30.e30.", "é.é.é", "\ud800", "Bearer x", "[" * 4000 + ".a.b", "x" * 20_000],
)
def test_what_is_no_token_proves_nobody(entra: Entra, token: str) -> None:
    refusal(entra, token)


def test_a_token_is_of_bounded_size(provider: IdentityProvider, entra: Entra) -> None:
    groups = [f"33333333-0000-4000-8000-{number:012d}" for number in range(200)]
    told = provider.sign(provider.person(ROB, "Reviewer", groups=groups))
    assert len(told) < LONGEST_TOKEN
    assert len(entra.caller(told).groups) == 200
    assert "longer" in refusal(entra, provider.sign(provider.person(ROB, padding="x" * LONGEST_TOKEN)))


@pytest.mark.parametrize("payload", ["5", "[]", "null", '"text"', "no json", "[" * 5000, "", '{"exp": 1e999}'])
def test_a_payload_that_is_no_object_proves_nobody(provider: IdentityProvider, entra: Entra, payload: str) -> None:
    refusal(entra, provider.sign(payload))


@given(
    st.dictionaries(
        st.sampled_from(["aud", "iss", "tid", "oid", "exp", "nbf", "iat", "idtyp", "scp", "azp", "roles", "groups"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers()),
        min_size=1,
    )
)
def test_claims_of_any_form_are_an_answer_or_a_refusal(
    provider: IdentityProvider, entra: Entra, claims: dict[str, Any]
) -> None:
    try:
        caller = entra.caller(provider.sign({**provider.person(ROB, "Reader"), **claims}))
    except NotSignedIn:
        return
    assert caller.person.object_id
    assert caller.roles <= set(Role)


def test_groups_count_by_id_and_never_by_name(provider: IdentityProvider, entra: Entra) -> None:
    token = provider.sign(provider.person(ROB, "Reviewer", groups=["CONTOSO\\admins", GROUP]))
    assert entra.caller(token).groups == {GROUP.lower()}


@pytest.mark.parametrize(
    "overage",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example/"}}},
        {"hasgroups": True},
        {"hasgroups": "true"},
    ],
)
def test_too_many_groups_are_told_as_such(provider: IdentityProvider, entra: Entra, overage: dict[str, Any]) -> None:
    caller = entra.caller(provider.sign(provider.person(ROB, "Reviewer", **overage)))
    assert (caller.all_groups, caller.groups) == (False, frozenset())


def test_other_claims_that_stand_elsewhere_are_no_groups(provider: IdentityProvider, entra: Entra) -> None:
    assert entra.caller(provider.sign(provider.person(ROB, _claim_names={"photo": "src1"}))).all_groups
    assert entra.caller(provider.sign(provider.person(ROB, _claim_names="groups"))).all_groups


def test_while_no_keys_can_be_had_nobody_can_be_told(provider: IdentityProvider) -> None:
    with identity_provider() as down:
        down.mode = "down"
        entra = Entra(TENANT, [AUDIENCE], override=down.address)
        with pytest.raises(Unavailable) as caught:
            entra.caller(down.sign(down.person(ROB)))
        assert caught.value.remedy
        assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    ("tenant", "audiences", "named"),
    [
        ("contoso.com", [AUDIENCE], "DRIFTGUARD_AUTH_TENANT"),
        ("common", [AUDIENCE], "DRIFTGUARD_AUTH_TENANT"),
        (TENANT + "\n", [AUDIENCE], "DRIFTGUARD_AUTH_TENANT"),
        (TENANT, [], "DRIFTGUARD_AUTH_AUDIENCE"),
        (TENANT, [""], "DRIFTGUARD_AUTH_AUDIENCE"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tenant: str, audiences: list[str], named: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        Entra(tenant, audiences)
    assert named in caught.value.remedy


def test_nothing_is_asked_before_the_first_token(provider: IdentityProvider) -> None:
    with identity_provider() as unasked:
        Entra(TENANT, [AUDIENCE], override=unasked.address)
        assert unasked.asked == 0
