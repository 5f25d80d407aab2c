"""The sign-in: late, once, and without a secret in any message."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from driftguard.adapters.readers.arm_answers import Answer
from driftguard.adapters.readers.arm_credential import LazyCredential, StaticToken, credential_for, refused_sign_in
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.errors import BadConfiguration, OtherScope, Unavailable
from tests.adapters.readers.arm_stub import START, FakeClock, error_reply

SCOPE = "https://management.azure.com/.default"
CANARY = "canary-of-the-sign-in-service"


class Issuer:
    """A credential in the SDK's sense, which gives a new token per call or fails."""

    def __init__(self, *failures: Exception, lifetime: int = 3600) -> None:
        self.calls: list[dict[str, Any]] = []
        self.made = 0
        self._failures = list(failures)
        self._lifetime = lifetime

    def make(self) -> Issuer:
        self.made += 1
        return self

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.calls.append(options)
        if self._failures:
            raise self._failures.pop(0)
        return AccessToken(f"token-{len(self.calls)}", int(START.timestamp()) + self._lifetime)


def test_reading_code_is_loaded_without_the_azure_sdk() -> None:
    code = (
        "import sys, driftguard.adapters.readers, driftguard.adapters.sources;"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('azure', 'requests', 'msal', 'urllib3')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_credential_is_made_on_the_first_token_and_only_once(clock: FakeClock) -> None:
    issuer = Issuer()
    credential = LazyCredential(issuer.make, clock)
    assert issuer.made == 0
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: credential.get_token(SCOPE).token, range(64)))
    assert (tokens, issuer.made, len(issuer.calls)) == ({"token-1"}, 1, 1)


def test_a_token_is_renewed_before_its_end_and_on_a_claims_challenge(clock: FakeClock) -> None:
    issuer = Issuer(lifetime=3600)
    credential = LazyCredential(issuer.make, clock)
    credential.get_token(SCOPE)
    clock.sleep(3200)
    assert credential.get_token(SCOPE).token == "token-1"
    assert credential.get_token(SCOPE, claims="{}").token == "token-2"
    clock.sleep(200)
    assert credential.get_token(SCOPE).token == "token-3"


def test_the_tenant_of_the_settings_is_asked_for(clock: FakeClock) -> None:
    issuer = Issuer()
    LazyCredential(issuer.make, clock, "tenant-1").get_token(SCOPE, enable_cae=True)
    assert issuer.calls == [{"enable_cae": True, "tenant_id": "tenant-1"}]


@pytest.mark.parametrize(
    "failure",
    [
        ClientAuthenticationError(CANARY),
        CredentialUnavailableError(CANARY),
        ServiceRequestError(CANARY),
    ],
)
def test_no_sign_in_is_unavailable_with_a_remedy_and_without_the_services_text(
    failure: Exception, clock: FakeClock
) -> None:
    with pytest.raises(Unavailable) as refused:
        LazyCredential(Issuer(failure).make, clock).get_token(SCOPE)
    assert "az login" in refused.value.remedy and CANARY not in str(refused.value)


def test_a_failed_sign_in_is_remembered_for_some_seconds(clock: FakeClock) -> None:
    issuer = Issuer(ClientAuthenticationError("no"))
    credential = LazyCredential(issuer.make, clock)
    for _ in range(5):
        with pytest.raises(Unavailable):
            credential.get_token(SCOPE)
    assert len(issuer.calls) == 1
    clock.sleep(11)
    assert credential.get_token(SCOPE).token == "token-2"


def test_the_real_credential_without_an_account_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(Unavailable):
        credential_for(ArmOptions(), clock).get_token(SCOPE)


def test_a_wrong_setting_of_the_real_credential_is_bad_configuration(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
    with pytest.raises(BadConfiguration, match="AZURE_"):
        credential_for(ArmOptions(cloud="china", tenant="t"), clock).get_token(SCOPE)


def test_a_local_arm_gets_its_fixed_token_and_never_a_real_one(clock: FakeClock) -> None:
    credential = credential_for(ArmOptions(endpoint="http://127.0.0.1:1", token="pipeline"), clock)
    assert isinstance(credential, StaticToken) and credential.get_token(SCOPE).token == "pipeline"


def as_answer(code: str, message: str = "") -> Answer:
    reply = error_reply(401, code, message)
    return Answer(reply.status, reply.headers, reply.body)


def test_a_subscription_of_another_tenant_is_other_scope_and_names_that_tenant() -> None:
    own, other = "22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-33333333333A"
    message = (
        f"The access token is from the wrong issuer 'https://sts.windows.net/{own}/'. It must match the tenant "
        f"'https://sts.windows.net/{other}/' associated with this subscription. {CANARY}"
    )
    error = refused_sign_in(as_answer("InvalidAuthenticationTokenTenant", message))
    assert isinstance(error, OtherScope) and other.lower() in error.message and error.remedy
    assert own not in str(error) and CANARY not in str(error)
    assert isinstance(refused_sign_in(as_answer("InvalidAuthenticationTokenTenant", CANARY)), OtherScope)


def test_any_other_401_is_unavailable_with_a_remedy() -> None:
    error = refused_sign_in(as_answer("ExpiredAuthenticationToken", CANARY))
    assert isinstance(error, Unavailable) and "401 ExpiredAuthenticationToken" in error.message and error.remedy
    assert CANARY not in str(error)
    assert isinstance(refused_sign_in(Answer(401, {}, b"<html>")), Unavailable)
