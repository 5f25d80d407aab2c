"""The reader against a server that answers as a broken network, a proxy or a strange service might."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from driftguard.adapters.readers import READERS
from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_transport import ArmTransport, out_of_time
from driftguard.adapters.readers.blob import BlobReader
from driftguard.errors import OtherScope, Unavailable, WrongUse
from driftguard.flow.ports import Reader
from driftguard.flow.reading import Cause, Outcome, Reading, Wanted
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.system_clock import SystemClock
from tests.adapters.readers.arm_stub import (
    GROUP,
    SUBSCRIPTION,
    TOKEN,
    ArmStub,
    FakeClock,
    Reply,
    error_reply,
    json_reply,
    options_for,
    running_stub,
)

GONE = error_reply(404, "ResourceNotFound")


def vnet(name: str = "v") -> ResourceRef:
    return parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/{name}")


@pytest.fixture
def reader(stub: ArmStub, clock: FakeClock) -> Iterator[ArmReader]:
    with ArmReader(options_for(stub), clock, workers=4) as made:
        yield made


def read(reader: Reader, *refs: ResourceRef, budget: float = 600) -> list[Reading]:
    return list(reader.read((Wanted(ref, "2024-05-01") for ref in refs), budget=budget))


def read_one(reader: Reader, ref: ResourceRef, budget: float = 600) -> Reading:
    (reading,) = read(reader, ref, budget=budget)
    return reading


def test_the_readers_are_a_literal_table_by_kind() -> None:
    assert {"arm": ArmReader, "blob": BlobReader} == READERS


def test_a_get_carries_token_version_and_request_id_and_nothing_is_sent_twice(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, json_reply({"id": vnet().id}, ETag='W/"1"'))
    reading = read_one(reader, vnet())
    ((target, headers),) = stub.requests
    assert (reading.outcome, reading.etags.header) == (Outcome.FOUND, 'W/"1"')
    assert target == f"{vnet().id}?api-version=2024-05-01"
    assert headers["Authorization"] == f"Bearer {TOKEN}" and headers["x-ms-client-request-id"]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(200, b'{"id": 1', mode="half"), Cause.NOT_JSON),
        (Reply(200, b'{"id": 1}', mode="half"), Cause.NOT_JSON),
        (Reply(200, b'{"id": 1}', mode="half-chunked"), Cause.NOT_JSON),
        (Reply(200, b"not gzip", {"Content-Encoding": "gzip"}), Cause.NOT_JSON),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), Cause.NOT_JSON),
        (Reply(200, b""), Cause.NOT_JSON),
        (json_reply([]), Cause.NOT_JSON),
        (Reply(200, b'{"a": 1, "a": 2}'), Cause.NOT_JSON),
        (Reply(200, b'{"a": Infinity}'), Cause.NOT_JSON),
        (json_reply({"id": vnet("other").id}), Cause.REFUSED),
        (Reply(mode="hang"), Cause.TIMEOUT),
        (Reply(200, b'{"id": 1', mode="stall"), Cause.TIMEOUT),
        (Reply(mode="reset"), Cause.NO_CONNECTION),
        (error_reply(403, "AuthorizationFailed"), Cause.FORBIDDEN),
        (error_reply(409, "MissingSubscriptionRegistration"), Cause.REFUSED),
        (error_reply(400, "NoRegisteredProviderFound"), Cause.REFUSED),
        (error_reply(404, "SubscriptionNotFound"), Cause.REFUSED),
        (Reply(404, b"<html>"), Cause.NOT_JSON),
        (Reply(502, b"<html>Bad gateway</html>"), Cause.SERVER_ERROR),
        (error_reply(503, "ServerTimeout"), Cause.SERVER_ERROR),
        (error_reply(429, "SubscriptionRequestsThrottled", Retry_After="1"), Cause.THROTTLED),
    ],
)
def test_trouble_with_one_resource_is_told_and_never_taken_for_a_state(
    stub: ArmStub, reader: ArmReader, reply: Reply, cause: Cause
) -> None:
    stub.answer(vnet("bad").id, reply)
    stub.answer(vnet("good").id, json_reply({"id": vnet("good").id}))
    readings = {reading.ref: reading for reading in read(reader, vnet("bad"), vnet("good"))}
    bad, good = readings[vnet("bad")], readings[vnet("good")]
    assert (bad.outcome, bad.cause, bad.body) == (Outcome.UNREADABLE, cause, None)
    assert bad.detail and "\n" not in bad.detail
    assert good.outcome is Outcome.FOUND


def test_an_unreachable_arm_is_no_connection(clock: FakeClock) -> None:
    with running_stub() as stub:
        options = options_for(stub)
    with ArmReader(options, clock, workers=1) as reader:
        assert read_one(reader, vnet()).cause is Cause.NO_CONNECTION


def test_a_body_above_the_limit_is_not_read_on(stub: ArmStub, clock: FakeClock) -> None:
    bomb = gzip.compress(json.dumps({"x": " " * 3_000_000}).encode())
    stub.answer(vnet("plain").id, json_reply({"x": " " * 300_000}))
    stub.answer(vnet("packed").id, Reply(200, bomb, {"Content-Encoding": "gzip"}))
    with ArmReader(options_for(stub, max_body=200_000), clock, workers=1) as reader:
        readings = read(reader, vnet("plain"), vnet("packed"))
    assert [(r.cause, r.detail) for r in readings] == [(Cause.TOO_LARGE, "the answer is larger than 200000 bytes")] * 2


def test_a_redirect_is_not_followed(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet("target").id, json_reply({}))
    stub.answer(vnet().id, Reply(307, b"", {"Location": stub.endpoint + vnet("target").id}))
    reading = read_one(reader, vnet())
    assert (reading.cause, reading.detail) == (Cause.REFUSED, "307 Temporary Redirect")
    assert stub.paths() == [vnet().key]


def test_cookies_are_not_sent_back(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, json_reply({}, Set_Cookie="session=1"))
    read(reader, vnet(), vnet())
    assert all("Cookie" not in headers for _, headers in stub.requests)


def test_a_netrc_file_does_not_replace_the_token(
    stub: ArmStub, reader: ArmReader, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    stub.answer(vnet().id, json_reply({}))
    read_one(reader, vnet())
    assert stub.requests[0][1]["Authorization"] == f"Bearer {TOKEN}"


def test_a_missing_registration_is_not_repaired(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, error_reply(409, "MissingSubscriptionRegistration"))
    assert read_one(reader, vnet()).detail == "409 MissingSubscriptionRegistration"
    assert stub.paths() == [vnet().key]


def test_passing_trouble_is_tried_again_and_retry_after_waited_for(
    stub: ArmStub, reader: ArmReader, clock: FakeClock
) -> None:
    stub.answer(
        vnet().id,
        error_reply(429, "SubscriptionRequestsThrottled", Retry_After="7"),
        error_reply(503, "ServerTimeout"),
        json_reply({"id": vnet().id}),
    )
    assert read_one(reader, vnet()).outcome is Outcome.FOUND
    assert clock.monotonic() == pytest.approx(7 + 1)


def test_a_date_as_retry_after_is_waited_for(stub: ArmStub, reader: ArmReader, clock: FakeClock) -> None:
    later = "Thu, 01 Oct 2026 12:00:09 GMT"
    stub.answer(vnet().id, error_reply(503, "Busy", Retry_After=later), json_reply({"id": vnet().id}))
    assert read_one(reader, vnet()).outcome is Outcome.FOUND
    assert clock.monotonic() == pytest.approx(9)


@pytest.mark.parametrize(("reply", "tries"), [(error_reply(503, "Busy"), 5), (Reply(mode="reset"), 5), (GONE, 1)])
def test_tries_are_limited(stub: ArmStub, reader: ArmReader, reply: Reply, tries: int) -> None:
    stub.answer(vnet().id, reply)
    stub.answer(GROUP, json_reply({"id": GROUP}))
    read_one(reader, vnet())
    assert stub.paths().count(vnet().key) == tries


def test_a_429_that_lasts_beyond_the_budget_is_throttled_without_waiting_for_it(
    stub: ArmStub, reader: ArmReader, clock: FakeClock
) -> None:
    stub.answer(vnet().id, error_reply(429, "SubscriptionRequestsThrottled", Retry_After="20"))
    readings = read(reader, *[vnet() for _ in range(40)], budget=10)
    assert {reading.cause for reading in readings} == {Cause.THROTTLED} and len(readings) == 40
    assert clock.monotonic() < 10
    assert len(stub.requests) <= 4  # one per worker at most: the others saw the pause


def test_another_providers_limit_does_not_hold_the_subscription(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet("cdn").id, error_reply(429, "ResourceRequestsThrottled", Retry_After="20"))
    stub.answer(vnet().id, json_reply({"id": vnet().id}))
    cdn, own = sorted(read(reader, vnet("cdn"), vnet(), budget=10), key=lambda reading: reading.ref.key)
    assert (cdn.cause, own.outcome) == (Cause.THROTTLED, Outcome.FOUND)


def test_what_the_budget_leaves_over_is_told_one_by_one(stub: ArmStub, reader: ArmReader) -> None:
    readings = read(reader, *[vnet(str(n)) for n in range(100)], budget=0)
    assert [reading.cause for reading in readings] == [Cause.OUT_OF_TIME] * 100
    assert len({reading.ref for reading in readings}) == 100 and stub.requests == []


def test_a_worker_that_hangs_beyond_the_budget_does_not_hold_the_call(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(vnet().id, Reply(mode="hang"))
    with ArmReader(options_for(stub, read_timeout=2.0), clock, workers=1) as reader:
        readings = read(reader, vnet(), vnet("x"), budget=0.05)
        assert [(r.outcome, r.body) for r in readings] == [(Outcome.UNREADABLE, None)] * 2
        stub.let_go.set()


def test_an_answer_that_drips_for_ever_does_not_hold_the_call(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, Reply(200, b"{}", mode="drip"))
    reading = read_one(reader, vnet(), budget=0.05)
    assert (reading.cause, reading.ref) == (Cause.OUT_OF_TIME, vnet())


@pytest.mark.parametrize("mode", ["drip", "drip-head", "drip-gzip"])
def test_an_answer_that_drips_ends_its_worker_with_the_time_of_the_read(stub: ArmStub, mode: str) -> None:
    stub.answer(vnet().id, Reply(200, b"{}", mode=mode))
    started, clock = time.monotonic(), SystemClock()
    transport = ArmTransport(options_for(stub), clock, connections=1)

    assert transport.send(f"{stub.endpoint}{vnet().id}", clock.monotonic() + 0.2) == out_of_time()
    assert time.monotonic() - started < 5, "far less than the answer takes"
    transport.close()


def test_wanted_is_consumed_lazily_and_read_once_each(stub: ArmStub, reader: ArmReader, clock: FakeClock) -> None:
    taken = 0

    def wanted() -> Iterator[Wanted]:
        nonlocal taken
        for number in range(500):
            taken += 1
            stub.answer(
                vnet(str(number)).id, json_reply({"n": number}, x_ms_ratelimit_remaining_subscription_reads="900")
            )
            yield Wanted(vnet(str(number)), "2024-05-01")

    seen = set()
    for count, reading in enumerate(reader.read(wanted(), budget=600), 1):
        assert taken <= count + 2 * 4
        seen.add(reading.ref)
    assert len(seen) == len(stub.requests) == 500


def test_giving_up_a_read_starts_no_more_requests(stub: ArmStub, reader: ArmReader) -> None:
    for number in range(100):
        stub.answer(vnet(str(number)).id, json_reply({}))
    readings = reader.read((Wanted(vnet(str(n)), "v") for n in range(100)), budget=600)
    next(readings)
    readings.close()  # type: ignore[attr-defined]  # the port promises an Iterator, this one is a generator
    assert len(stub.requests) <= 1 + 2 * 4


def test_missing_is_believed_only_while_the_group_answers(stub: ArmStub, reader: ArmReader) -> None:
    for number in range(20):
        stub.answer(vnet(str(number)).id, GONE)
    stub.answer(GROUP, json_reply({"id": GROUP}))
    readings = read(reader, *[vnet(str(n)) for n in range(20)])
    assert {(r.outcome, r.detail) for r in readings} == {(Outcome.MISSING, "404 ResourceNotFound")}
    assert stub.paths().count(GROUP.lower()) == 1
    read(reader, vnet("1"))
    assert stub.paths().count(GROUP.lower()) == 2  # asked anew in every call


@pytest.mark.parametrize(
    ("group", "outcome", "cause"),
    [
        (error_reply(404, "ResourceGroupNotFound"), Outcome.GROUP_MISSING, None),
        (error_reply(403, "AuthorizationFailed"), Outcome.UNREADABLE, Cause.FORBIDDEN),
        (error_reply(404, "NotFound"), Outcome.UNREADABLE, Cause.REFUSED),
        (error_reply(500, "InternalServerError"), Outcome.UNREADABLE, Cause.SERVER_ERROR),
        (Reply(200, b"<html>"), Outcome.UNREADABLE, Cause.NOT_JSON),
        (json_reply({"id": GROUP + "-other"}), Outcome.UNREADABLE, Cause.REFUSED),
    ],
)
def test_missing_in_a_group_that_does_not_answer_is_not_missing(
    stub: ArmStub, reader: ArmReader, group: Reply, outcome: Outcome, cause: Cause | None
) -> None:
    stub.answer(vnet().id, GONE)
    stub.answer(GROUP, group)
    reading = read_one(reader, vnet())
    assert (reading.outcome, reading.cause) == (outcome, cause)


def test_a_group_that_is_gone_by_itself_needs_no_proof(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, error_reply(404, "ResourceGroupNotFound"))
    stub.answer(GROUP, error_reply(404, "ResourceGroupNotFound"))
    readings = read(reader, vnet(), parse_ref(GROUP))
    assert [reading.outcome for reading in readings] == [Outcome.GROUP_MISSING] * 2 and len(stub.requests) == 2


def test_above_a_resource_outside_a_group_stands_the_subscription(stub: ArmStub, reader: ArmReader) -> None:
    assignment = parse_ref(f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/p")
    stub.answer(assignment.id, error_reply(404, "PolicyAssignmentNotFound"))
    assert read_one(reader, assignment).outcome is Outcome.UNREADABLE
    stub.answer(SUBSCRIPTION, json_reply({"id": SUBSCRIPTION}))
    assert read_one(reader, assignment).outcome is Outcome.MISSING


def test_a_tenant_level_resource_is_never_just_missing(stub: ArmStub, reader: ArmReader) -> None:
    group = parse_ref("/providers/Microsoft.Management/managementGroups/g")
    stub.answer(group.id, error_reply(404, "NotFound"))
    assert read_one(reader, group).cause is Cause.REFUSED


def test_another_tenant_ends_the_call(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, error_reply(401, "InvalidAuthenticationTokenTenant"))
    with pytest.raises(OtherScope):
        read(reader, vnet())


def test_a_refused_sign_in_ends_the_call(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(vnet().id, error_reply(401, "ExpiredAuthenticationToken"))
    with pytest.raises(Unavailable) as refused:
        read(reader, *[vnet()] * 50)
    assert refused.value.remedy and TOKEN not in str(refused.value)


CLAIMS = base64.b64encode(b'{"access_token": {}}').decode()


def test_a_claims_challenge_is_answered_with_a_new_token(stub: ArmStub, reader: ArmReader) -> None:
    challenge = f'Bearer error="insufficient_claims", claims="{CLAIMS}"'
    stub.answer(vnet().id, error_reply(401, "Expired", WWW_Authenticate=challenge), json_reply({"id": vnet().id}))
    assert read_one(reader, vnet()).outcome is Outcome.FOUND


@pytest.mark.parametrize("claims", ["/////w==", "a", "ÿ"])
def test_a_challenge_that_cannot_be_read_is_no_crash(claims: str, stub: ArmStub, reader: ArmReader) -> None:
    challenge = f'Bearer error="insufficient_claims", claims="{claims}"'
    stub.answer(vnet().id, error_reply(401, "Expired", WWW_Authenticate=challenge))
    assert read_one(reader, vnet()).detail == "401 with a challenge that cannot be read"


def test_a_ref_of_another_cloud_or_kind_is_refused_before_anything_is_asked(stub: ArmStub, reader: ArmReader) -> None:
    with pytest.raises(OtherScope):
        read(reader, replace(vnet(), cloud="china"))
    with pytest.raises(OtherScope):
        reader.members(replace(parse_ref(GROUP), cloud="china"))
    with pytest.raises(WrongUse):
        read(reader, replace(vnet(), kind="blob"))
    assert stub.requests == []


def test_names_of_any_alphabet_and_sign_reach_arm_as_one_path(stub: ArmStub, reader: ArmReader) -> None:
    ref = parse_ref(f"{SUBSCRIPTION}/resourceGroups/rg-größe_(1)/providers/Microsoft.Web/sites/a'b{{c}}$d;e=f,g+h&i")
    stub.answer(ref.id, json_reply({"id": ref.id}))
    assert read_one(reader, ref).outcome is Outcome.FOUND
    assert stub.paths() == [ref.key]


def test_a_new_baseline_gets_its_version_from_the_provider_once(stub: ArmStub, reader: ArmReader) -> None:
    listed = {
        "resourceTypes": [{"resourceType": "virtualNetworks", "apiVersions": ["2025-01-01", "2026-01-01-preview"]}]
    }
    stub.answer(f"{SUBSCRIPTION}/providers/Microsoft.Network", json_reply(listed))
    refs = [vnet(str(n)) for n in range(10)]
    for ref in refs:
        stub.answer(ref.id, json_reply({"id": ref.id}))
    readings = list(reader.read([Wanted(ref) for ref in refs], budget=600))
    assert {(r.outcome, r.api_version) for r in readings} == {(Outcome.FOUND, "2025-01-01")}
    assert len(stub.requests) == 11


def test_a_new_baseline_without_a_known_version_is_unreadable(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(f"{SUBSCRIPTION}/providers/Microsoft.Network", json_reply({"resourceTypes": []}))
    (reading,) = reader.read([Wanted(vnet())], budget=600)
    assert (reading.cause, reading.api_version) == (Cause.REFUSED, "") and "api_versions" in reading.detail


def test_no_body_and_no_token_reaches_a_log(stub: ArmStub, reader: ArmReader, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    stub.answer(vnet().id, json_reply({"id": vnet().id, "properties": {"adminPassword": "canary-password"}}))
    stub.answer(vnet("bad").id, Reply(200, b'{"canary-password', mode="half"))
    read(reader, vnet(), vnet("bad"))
    assert "canary" not in caplog.text


def test_connections_are_used_again(stub: ArmStub, reader: ArmReader) -> None:
    for number in range(40):
        stub.answer(vnet(str(number)).id, json_reply({}))
    assert len(read(reader, *[vnet(str(n)) for n in range(40)])) == 40
    assert stub.connections <= 4  # one per worker
