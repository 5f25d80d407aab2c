"""What the answers of blob storage amount to: a stub answers as an account, a firewall or a broken network might."""

from __future__ import annotations

import gzip
import json

import pytest

from driftguard.adapters.readers.arm_credential import StaticToken
from driftguard.adapters.readers.blob import BlobReader
from driftguard.adapters.readers.blob_account import connection_of
from driftguard.adapters.readers.blob_content import LEFT_OUT, MOST_JSON, PROPERTIES
from driftguard.errors import BadConfiguration, OtherScope, Unavailable, WrongUse
from driftguard.flow.reading import Cause, Outcome, Reading, Wanted
from driftguard.flow.resource import parse_ref
from tests.adapters.readers.arm_stub import ArmStub, FakeClock, Reply

ACCOUNT = "stshop"
KEY = "c2VjcmV0LWtleS1jYW5hcnk="
CONTAINER = f"https://{ACCOUNT}.blob.core.windows.net/config"
BLOB = f"{CONTAINER}/settings.json"
PATH, CONTAINER_PATH = f"/{ACCOUNT}/config/settings.json", f"/{ACCOUNT}/config"


def connection(stub: ArmStub) -> str:
    return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={stub.endpoint}/{ACCOUNT}"


def reader(stub: ArmStub, clock: FakeClock) -> BlobReader:
    return BlobReader(StaticToken("t"), clock, connection=connection(stub))


def read(stub: ArmStub, clock: FakeClock, *ids: str, budget: float = 600.0) -> list[Reading]:
    with_close = reader(stub, clock)
    try:
        return list(with_close.read([Wanted(parse_ref(text)) for text in ids or (BLOB,)], budget=budget))
    finally:
        with_close.close()


def blob(data: bytes, status: int = 206, size: int | None = None, **headers: str) -> Reply:
    size = len(data) if size is None else size
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    told = {"ETag": '"0x1"', "x-ms-blob-type": "BlockBlob", "x-ms-request-id": "r-1", **named}
    return Reply(status, data, {"Content-Range": f"bytes 0-{max(0, len(data) - 1)}/{size}", **told})


def refused(status: int, code: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>canary-text</Message></Error>".encode()
    return Reply(status, body, {"x-ms-error-code": code, "Content-Type": "application/xml"})


def test_a_blob_is_one_request_and_keeps_what_names_the_answer(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(b'{"a": 1}', Content_Type="application/json", x_ms_meta_Owner="Shop"))
    (reading,) = read(stub, clock)

    assert reading.outcome is Outcome.FOUND
    assert reading.body == {
        "id": BLOB,
        "properties": {"blobType": "BlockBlob", "contentType": "application/json"},
        "metadata": {"Owner": "Shop"},
        "body": {"a": 1},
    }
    assert (reading.etags.header, reading.request_id) == ('"0x1"', "r-1")
    assert reading.at != clock.now(), "the time is the server's"
    assert len(stub.requests) == 1
    assert stub.requests[0][1]["x-ms-version"] == reading.api_version


def test_the_version_of_the_baseline_is_asked_for_again(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(b"x"))
    (reading,) = reader(stub, clock).read([Wanted(parse_ref(BLOB), "2021-12-02")], budget=9)
    (unknown,) = reader(stub, clock).read([Wanted(parse_ref(BLOB), "1999-01-01")], budget=9)

    assert stub.requests[0][1]["x-ms-version"] == reading.api_version == "2021-12-02"
    assert (unknown.outcome, unknown.cause) == (Outcome.UNREADABLE, Cause.REFUSED)


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (refused(403, "AuthorizationFailure"), Cause.FORBIDDEN),
        (refused(403, "AuthorizationPermissionMismatch"), Cause.FORBIDDEN),
        (refused(403, "AccountIsDisabled"), Cause.FORBIDDEN),
        (refused(409, "BlobBeingRehydrated"), Cause.IN_FLIGHT),
        (refused(409, "ContainerBeingDeleted"), Cause.IN_FLIGHT),
        (refused(409, "BlobUsesCustomerSpecifiedEncryption"), Cause.REFUSED),
        (refused(412, "ConditionNotMet"), Cause.IN_FLIGHT),
        (refused(404, "ResourceNotFound"), Cause.REFUSED),
        (Reply(404, b"<html>a proxy</html>", {"Content-Type": "text/html"}), Cause.REFUSED),
        (refused(429, "TooManyRequests"), Cause.THROTTLED),
        (refused(503, "ServerBusy"), Cause.THROTTLED),
        (refused(500, "InternalError"), Cause.SERVER_ERROR),
        (refused(500, "OperationTimedOut"), Cause.TIMEOUT),
        (Reply(200, b"<html>a captive portal</html>", {"Content-Type": "text/html"}), Cause.REFUSED),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}), Cause.REFUSED),
        (Reply(mode="reset"), Cause.NO_CONNECTION),
        (Reply(206, b"half", {"Content-Range": "bytes 0-7/8"}, mode="half"), Cause.NO_CONNECTION),
    ],
)
def test_what_is_no_state_says_why(reply: Reply, cause: Cause, stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, reply)
    (reading,) = read(stub, clock)

    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, cause)
    assert reading.detail
    assert "canary" not in reading.detail and KEY not in reading.detail


def test_throttling_is_waited_out_and_ends_with_the_budget(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, refused(503, "ServerBusy"), blob(b"x"))
    (reading,) = read(stub, clock)
    assert reading.outcome is Outcome.FOUND and clock.slept == [0.5]

    stub.answer(PATH, refused(503, "ServerBusy"))
    (reading,) = read(stub, clock, budget=1.0)
    assert reading.cause is Cause.THROTTLED and sum(clock.slept) < 1.5


@pytest.mark.parametrize(
    ("container", "outcome", "cause"),
    [
        (Reply(200, b"", {"ETag": '"c"'}), Outcome.MISSING, None),
        (refused(404, "ContainerNotFound"), Outcome.GROUP_MISSING, None),
        (refused(403, "AuthorizationFailure"), Outcome.UNREADABLE, Cause.FORBIDDEN),
        (refused(503, "ServerBusy"), Outcome.UNREADABLE, Cause.THROTTLED),
    ],
)
def test_missing_is_believed_once_the_container_answers(
    container: Reply, outcome: Outcome, cause: Cause | None, stub: ArmStub, clock: FakeClock
) -> None:
    stub.answer(PATH, refused(404, "BlobNotFound"))
    stub.answer(CONTAINER_PATH, container)
    (reading,) = read(stub, clock)

    assert (reading.outcome, reading.cause) == (outcome, cause)


def test_a_container_is_asked_for_once_in_a_call(stub: ArmStub, clock: FakeClock) -> None:
    names = [f"b{number}" for number in range(20)]
    for name in names:
        stub.answer(f"{CONTAINER_PATH}/{name}", refused(404, "BlobNotFound"))
    stub.answer(CONTAINER_PATH, Reply(200, b"", {}))
    readings = read(stub, clock, *(f"{CONTAINER}/{name}" for name in names))

    assert {reading.outcome for reading in readings} == {Outcome.MISSING}
    assert stub.paths().count(CONTAINER_PATH) == 1


@pytest.mark.parametrize("reply", [refused(401, "InvalidAuthenticationInfo"), refused(403, "AuthenticationFailed")])
def test_a_sign_in_that_is_refused_ends_the_call(reply: Reply, stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, reply)

    with pytest.raises(Unavailable) as told:
        read(stub, clock)
    assert "canary" not in str(told.value) and KEY not in str(told.value)


def test_an_archived_blob_is_told_by_its_properties_and_every_write_of_it_counts(
    stub: ArmStub, clock: FakeClock
) -> None:
    head = Reply(200, b"", {"ETag": '"0x7"', "x-ms-access-tier": "Archive", "x-ms-blob-type": "BlockBlob"})
    stub.answer(PATH, refused(409, "BlobArchived"), head)
    (reading,) = read(stub, clock)

    assert reading.body is not None
    assert reading.body["properties"]["accessTier"] == "Archive"
    assert reading.body["contentDigest"]["value"] == "0x7"
    assert "archived" in reading.body["contentDigest"]["of"]


def test_a_blob_that_is_too_large_to_read_is_told_by_its_etag(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(b"x" * 100, size=200 * 1024 * 1024))
    (reading,) = read(stub, clock)

    assert reading.body is not None
    assert reading.body["contentDigest"]["value"] == "0x1"
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1} trailing',
        b'{"a": 1}, "id": "another"',
        b"\xff\xfe{}",
        json.dumps(["x" * MOST_JSON]).encode(),
    ],
)
def test_what_is_not_surely_json_is_a_digest(data: bytes, stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(data))
    (reading,) = read(stub, clock)

    assert reading.body is not None
    assert reading.body.keys() == {"id", "properties", "contentDigest"}
    assert reading.body["contentDigest"]["length"] == len(data)


def test_an_encoded_blob_is_compared_as_it_is_stored(stub: ArmStub, clock: FakeClock) -> None:
    data = gzip.compress(b'{"a": 1}')
    stub.answer(PATH, blob(data, Content_Encoding="gzip"))
    (reading,) = read(stub, clock)

    assert reading.body is not None
    assert reading.body["properties"]["contentEncoding"] == "gzip"
    assert reading.body["contentDigest"]["length"] == len(data)


def test_a_tier_that_is_only_the_accounts_default_is_no_property_of_the_blob(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(b"x", x_ms_access_tier="Hot", x_ms_access_tier_inferred="true"))
    (reading,) = read(stub, clock)

    assert reading.body is not None and "accessTier" not in reading.body["properties"]


def test_tags_that_may_not_be_read_leave_their_number(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(b"x", x_ms_tag_count="2"), refused(403, "AuthorizationPermissionMismatch"))
    (reading,) = read(stub, clock)
    assert reading.body is not None
    assert reading.body["properties"]["tagCount"] == "2" and "tags" not in reading.body

    stub.answer(PATH, blob(b"x", x_ms_tag_count="2"), refused(500, "InternalError"))
    (reading,) = read(stub, clock)
    assert reading.outcome is Outcome.UNREADABLE


def test_no_header_is_both_compared_and_left_out() -> None:
    assert not PROPERTIES.keys() & LEFT_OUT.keys()


def test_a_blob_of_another_account_cloud_or_kind_is_refused_before_anything_is_asked(
    stub: ArmStub, clock: FakeClock
) -> None:
    mine = reader(stub, clock)
    for ref, error in (
        (parse_ref(BLOB.replace(ACCOUNT, "stother")), WrongUse),
        (parse_ref(BLOB.replace("windows.net", "usgovcloudapi.net"), cloud="usgov"), OtherScope),
        (parse_ref("/subscriptions/11111111-1111-1111-1111-111111111111"), WrongUse),
        (parse_ref(CONTAINER), WrongUse),
    ):
        with pytest.raises(error):
            list(mine.read([Wanted(ref)], budget=9))
    with pytest.raises(WrongUse):
        mine.members(parse_ref(BLOB))
    assert not stub.requests


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "UseDevelopmentStorage=true",
        f"AccountKey={KEY}",
        f"AccountName={ACCOUNT}",
        f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=http://evil.example",
        f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=https://user:{KEY}@evil.example",
        f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint=https://x.example/?sig={KEY}",
    ],
)
def test_a_connection_string_that_is_none_is_refused_without_a_part_of_it(text: str) -> None:
    with pytest.raises(BadConfiguration) as refused_text:
        connection_of(text)
    assert KEY not in str(refused_text.value)


def test_nothing_of_a_connection_string_is_shown() -> None:
    told = connection_of(f"AccountName={ACCOUNT};AccountKey={KEY}")
    signed = connection_of(f"AccountName={ACCOUNT};SharedAccessSignature=?sv=1&sig={KEY}")

    assert KEY not in repr(told) + repr(signed)
    assert signed.sas == f"sv=1&sig={KEY}"
