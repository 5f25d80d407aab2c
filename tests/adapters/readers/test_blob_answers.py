"""What the answers of blob storage amount to: a stub answers as an account, a firewall or a broken network might."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from driftguard.adapters.readers import blob_account, blob_transport
from driftguard.adapters.readers.arm_answers import Failure
from driftguard.adapters.readers.arm_credential import StaticToken
from driftguard.adapters.readers.blob import API_VERSION, BlobReader
from driftguard.adapters.readers.blob_account import Accounts, connection_of
from driftguard.adapters.readers.blob_client import BlobClient
from driftguard.adapters.readers.blob_content import LEFT_OUT, MOST_JSON, PROPERTIES
from driftguard.errors import BadConfiguration, OtherScope, Unavailable, WrongUse
from driftguard.flow.blob_url import parse_blob_url
from driftguard.flow.reading import Cause, Members, Outcome, Reading, Wanted
from driftguard.flow.resource import parse_ref
from driftguard.flow.telemetry import NO_TELEMETRY, NoTelemetry, Telemetry
from driftguard.system_clock import SystemClock
from tests.adapters.readers.arm_stub import ArmStub, FakeClock, Reply

ACCOUNT = "stshop"
KEY = "c2VjcmV0LWtleS1jYW5hcnk="
CONTAINER = f"https://{ACCOUNT}.blob.core.windows.net/config"
BLOB = f"{CONTAINER}/settings.json"
FROM_STORAGE = {"x-ms-request-id": "r-1"}
PATH, CONTAINER_PATH = f"/{ACCOUNT}/config/settings.json", f"/{ACCOUNT}/config"


def connection(stub: ArmStub) -> str:
    return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={stub.endpoint}/{ACCOUNT}"


def reader(stub: ArmStub, clock: FakeClock, telemetry: Telemetry = NO_TELEMETRY) -> BlobReader:
    return BlobReader(StaticToken("t"), clock, connection=connection(stub), telemetry=telemetry)


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


@pytest.mark.parametrize(
    "replies",
    [
        [blob(b"{}", size=4, Content_Range="bytes 0-3/4"), blob(b"", size=4)],
        [blob(b"abcd", size=8), blob(b"ef", size=8, Content_Range="bytes 4-5/8")],
        [blob(b"abcd", size=6), blob(b"efgh", size=6, Content_Range="bytes 4-7/6")],
        [refused(416, "InvalidRange"), Reply(200, b"written meanwhile", {**FROM_STORAGE, "ETag": '"2"'})],
    ],
)
def test_another_number_of_bytes_than_the_answer_says_is_no_content(
    replies: list[Reply], stub: ArmStub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_account, "PIECE", 4)
    stub.answer(PATH, *replies)
    (reading,) = read(stub, clock)

    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, Cause.IN_FLIGHT)


def test_a_part_that_says_it_is_the_whole_is_no_content(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(PATH, blob(b"{}", size=100, Content_Range="bytes 0-99/100"))
    (reading,) = read(stub, clock)

    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, Cause.IN_FLIGHT)
    assert "bytes came of a blob that is said to have 100" in reading.detail


def client(stub: ArmStub) -> BlobClient:
    return BlobClient(Accounts(StaticToken("t"), connection(stub), NO_TELEMETRY, 1), SystemClock())


def test_a_blob_and_a_list_that_drip_end_with_the_time_of_the_call(stub: ArmStub) -> None:
    started = time.monotonic()
    stub.answer(PATH, Reply(206, b"{}", {**FROM_STORAGE, "Content-Range": "bytes 0-1/2"}, mode="drip"))
    stub.answer(CONTAINER_PATH, Reply(200, b"<", FROM_STORAGE, mode="drip"))
    got = client(stub).get(parse_blob_url(BLOB), API_VERSION, SystemClock().monotonic() + 0.3)
    page = client(stub).names(parse_blob_url(CONTAINER), API_VERSION, "", SystemClock().monotonic() + 0.3)

    assert isinstance(got, Failure) and got.cause is Cause.TIMEOUT
    assert isinstance(page, Failure) and page.cause is Cause.TIMEOUT
    assert time.monotonic() - started < 5, "far less than the answers take"


def test_tags_that_drip_end_with_the_time_of_the_call_too(stub: ArmStub) -> None:
    started = time.monotonic()
    stub.answer(PATH, blob(b"x", x_ms_tag_count="2"), Reply(200, b"<", FROM_STORAGE, mode="drip"))
    got = client(stub).get(parse_blob_url(BLOB), API_VERSION, SystemClock().monotonic() + 0.3)

    assert isinstance(got, Failure) and got.cause is Cause.TIMEOUT
    assert time.monotonic() - started < 5


def page(blobs: str, **headers: str) -> Reply:
    body = f"<?xml version='1.0'?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
    return Reply(200, body.encode(), {**FROM_STORAGE, "Content-Type": "application/xml", **headers})


def members(stub: ArmStub, clock: FakeClock) -> Members:
    return reader(stub, clock).members(parse_ref(CONTAINER))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body/></html>", FROM_STORAGE),
        Reply(200, b"<?xml version='1.0'?><Error><Code>x</Code></Error>", FROM_STORAGE),
        Reply(200, b"<?xml version='1.0'?><EnumerationResults/>", FROM_STORAGE),
        Reply(200, b"", FROM_STORAGE),
        Reply(200, b"ok", {**FROM_STORAGE, "Content-Type": "text/plain"}),
        Reply(200, b"{}", {**FROM_STORAGE, "Content-Type": "application/json"}),
        page("<Blob></Blob>"),
        Reply(200, page("<Blob><Name>a</Name></Blob>").body, {"Content-Type": "application/xml"}),
        Reply(200, page("<Blob><Name>a</Name></Blob>").body[:60], FROM_STORAGE),
        Reply(204, b"", FROM_STORAGE),
    ],
)
def test_a_success_that_is_no_list_of_blobs_is_no_empty_list(reply: Reply, stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(CONTAINER_PATH, reply)
    listed = members(stub, clock)

    assert not listed.complete and listed.cause is not None and not listed.refs


def test_an_empty_container_is_listed_whole(stub: ArmStub, clock: FakeClock) -> None:
    stub.answer(CONTAINER_PATH, page(""))
    assert members(stub, clock) == Members(parse_ref(CONTAINER), (), complete=True)


def test_a_name_that_no_xml_can_hold_is_one_that_cannot_be_guarded(stub: ArmStub, clock: FakeClock) -> None:
    odd = "<Blob><Name Encoded='true'>b%EF%BF%BEc</Name></Blob><Blob><Name Encoded='true'>d%20e</Name></Blob>"
    stub.answer(CONTAINER_PATH, page(f"<Blob><Name>a%20b</Name></Blob>{odd}"))
    listed = members(stub, clock)

    assert [ref.name for ref in listed.refs] == ["a%2520b", "d%20e"]
    assert (listed.complete, listed.detail) == (False, "1 blobs have names that cannot be guarded")


class Counts(NoTelemetry):
    """Keeps what is counted."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def count(self, name: str, amount: int = 1, **attributes: Any) -> None:
        self.told.append((attributes["kind"], attributes["answer"]))


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ([refused(416, "InvalidRange"), Reply(200, b"", FROM_STORAGE)], [("blob", "ok"), ("blob", "ok")]),
        (
            [blob(b"x", x_ms_tag_count="1"), refused(403, "AuthorizationPermissionMismatch")],
            [("blob", "ok"), ("tags", "refused")],
        ),
        ([Reply(200, b"<html/>", {})], [("blob", "invalid")]),
        ([blob(b"x" * 2000)], [("blob", "invalid")]),
        ([Reply(mode="reset"), blob(b"x")], [("blob", "outage"), ("blob", "ok")]),
    ],
)
def test_what_is_expected_and_what_cannot_be_used_is_counted_as_no_outage(
    replies: list[Reply],
    told: list[tuple[str, str]],
    stub: ArmStub,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blob_transport, "_LARGEST_ANSWER", 1000)
    stub.answer(PATH, *replies)
    counts = Counts()
    list(reader(stub, clock, counts).read([Wanted(parse_ref(BLOB))], budget=9))

    assert counts.told == told


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
        (Reply(200, b"", FROM_STORAGE), Outcome.MISSING, None),
        (Reply(200, b"<html>a captive portal</html>", {"ETag": '"c"'}), Outcome.UNREADABLE, Cause.REFUSED),
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
    stub.answer(CONTAINER_PATH, Reply(200, b"", FROM_STORAGE))
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
    told = {"ETag": '"0x7"', "x-ms-access-tier": "Archive", "x-ms-blob-type": "BlockBlob"}
    head = Reply(200, b"", {**FROM_STORAGE, **told})
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
