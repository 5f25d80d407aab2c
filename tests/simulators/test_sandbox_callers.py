"""Who may call, ARM's headers, and throttling."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from driftguard.errors import WrongUse
from driftguard.sandbox import OTHER_SUBSCRIPTION, OTHER_TENANT, TENANT, Sandbox
from driftguard.sandbox.throttle import Throttle
from tests.simulators.sandbox_client import ACCOUNT, NSG, SUB, VNET, Client

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, "AuthenticationFailed"),
        ("stranger", "InvalidAuthenticationToken"),
        ("person-portal:not a name", "InvalidAuthenticationToken"),
        ("pipeline:anna@contoso.com", "InvalidAuthenticationToken"),
        ("autoscale", "InvalidAuthenticationToken"),
    ],
)
def test_no_token_or_an_unknown_one_is_401_with_a_challenge(client: Client, token: str | None, code: str) -> None:
    answer = client.get(VNET, token=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert f"https://login.windows.net/{TENANT}" in answer.headers["WWW-Authenticate"]


def test_a_subscription_of_another_tenant_is_401_with_both_issuers(client: Client) -> None:
    answer = client.get(f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/any", api="2021-04-01")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, "InvalidAuthenticationTokenTenant")
    assert error["message"].startswith(
        f"The access token is from the wrong issuer 'https://sts.windows.net/{TENANT}/'. It must match the tenant "
        f"'https://sts.windows.net/{OTHER_TENANT}/' associated with this subscription."
    )


def test_an_unknown_subscription_is_404(client: Client) -> None:
    answer = client.get("/subscriptions/55555555-5555-5555-5555-555555555555", api="2022-12-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SubscriptionNotFound")


def test_a_reader_may_read_and_write_nothing(client: Client) -> None:
    assert client.get(VNET, token="reader").status_code == 200
    for method, path in (
        ("PUT", VNET),
        ("PATCH", VNET),
        ("DELETE", VNET),
        ("POST", f"{VNET}/checkIPAddressAvailability"),
    ):
        answer = client.send(method, path, {"location": "westeurope"}, token="reader")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")


def test_every_answer_has_arms_headers_and_the_virtual_date(client: Client) -> None:
    for answer in (client.get(VNET), client.get(f"{VNET}x"), client.get(VNET, token=None)):
        assert GUID.match(answer.headers["x-ms-request-id"])
        assert GUID.match(answer.headers["x-ms-correlation-request-id"])
        assert answer.headers["x-ms-routing-request-id"].startswith("WESTEUROPE:20261001T120000Z:")
        assert answer.headers["Date"] == "Thu, 01 Oct 2026 12:00:00 GMT"


def test_a_callers_correlation_id_is_echoed_only_if_it_is_a_guid(client: Client) -> None:
    given = "12345678-1234-1234-1234-123456789abc"
    answer = client.get(VNET, headers={"x-ms-correlation-request-id": given})
    assert answer.headers["x-ms-correlation-request-id"] == given
    answer = client.get(VNET, headers={"x-ms-correlation-request-id": "made up"})
    assert GUID.match(answer.headers["x-ms-correlation-request-id"])


def test_without_throttling_a_large_number_remains(client: Client) -> None:
    headers = client.get(VNET).headers
    assert headers["x-ms-ratelimit-remaining-subscription-reads"] == "11999"
    assert "x-ms-ratelimit-remaining-subscription-writes" in client.put(f"{NSG}x", {}).headers
    assert "x-ms-ratelimit-remaining-subscription-deletes" in client.send("DELETE", f"{NSG}x").headers


def test_an_empty_bucket_is_429_with_retry_after(client: Client) -> None:
    client.control("POST", "throttle", {"reads": [3, 0.01]})
    left = [client.get(VNET).headers["x-ms-ratelimit-remaining-subscription-reads"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = client.get(VNET)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "SubscriptionRequestsThrottled")
    assert 90 < int(refused.headers["Retry-After"]) <= 100
    assert f"after '{refused.headers['Retry-After']}' seconds" in refused.json()["error"]["message"]
    assert client.get(VNET, token="reader").status_code == 200  # a bucket of its own
    assert client.send("PATCH", ACCOUNT, {"tags": {}}, api="2024-01-01").status_code == 200  # another kind
    client.control("POST", "throttle", {})
    assert client.get(VNET).status_code == 200


def test_a_bucket_fills_with_real_time() -> None:
    time = [0.0]
    bucket = Throttle({"reads": (2, 0.5)}, monotonic=lambda: time[0])
    assert [bucket.take("s", "t", "GET") for _ in range(3)] == [(1, 0.0), (0, 0.0), (0, 2.0)]
    time[0] = 2.0
    assert bucket.take("s", "t", "GET") == (0, 0.0)
    with pytest.raises(WrongUse):
        bucket.set({"looks": (1, 1)})


def test_the_buckets_can_be_set_at_the_start() -> None:
    sandbox = Sandbox([], throttle={"reads": (250, 25)})
    assert sandbox.traffic.throttle.take("s", "t", "GET") == (249, 0.0)


def test_32_connections_are_served_side_by_side(client: Client, sandbox: Sandbox) -> None:
    def read_some(_: int) -> set[int]:
        own = Client(sandbox)
        try:
            return {own.get(f"{SUB}/resourceGroups/rg-shop-app", api="2021-04-01").status_code for _ in range(5)}
        finally:
            own.session.close()

    with ThreadPoolExecutor(32) as workers:
        assert set.union(*workers.map(read_some, range(32))) == {200}
    assert sandbox.traffic.counters()["GET 200"] == 160
