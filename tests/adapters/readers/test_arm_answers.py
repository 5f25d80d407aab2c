"""How one HTTP answer becomes a reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.adapters.readers.arm_answers import Answer, Failure, error_code, object_in, read_answer
from driftguard.flow.reading import Cause, Outcome, Reading
from driftguard.flow.resource import parse_ref
from driftguard.flow.strict_json import NotJson, parse_object
from tests.adapters.readers.arm_stub import GROUP, START, SUBSCRIPTION

VNET = parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-shop")
CANARY = "canary-in-the-body"


def read(status: int, body: bytes | dict[str, Any], **headers: str) -> Reading:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    return read_answer(VNET, "2024-05-01", Answer(status, named, content), START)


def test_a_found_resource_has_its_body_etags_ids_and_the_servers_time() -> None:
    body = {"id": VNET.id, "etag": 'W/"b"', "properties": {"eTag": "p", "x": 1}}
    reading = read(
        200,
        body,
        etag='W/"h"',
        date="Thu, 01 Oct 2026 13:30:00 GMT",
        x_ms_request_id="r-1",
        x_ms_correlation_request_id="c-1",
    )
    assert (reading.outcome, reading.body, reading.status, reading.cause) == (Outcome.FOUND, body, 200, None)
    assert (reading.etags.header, reading.etags.body, reading.etags.properties) == ('W/"h"', 'W/"b"', "p")
    assert (reading.request_id, reading.correlation_id) == ("r-1", "c-1")
    assert reading.at == datetime(2026, 10, 1, 13, 30, tzinfo=UTC)
    assert (reading.ref, reading.api_version, reading.detail) == (VNET, "2024-05-01", "")


@pytest.mark.parametrize("name", ["etag", "eTag", "ETag", "@odata.etag"])
def test_the_etag_of_a_body_is_found_in_every_spelling(name: str) -> None:
    assert read(200, {name: "x"}).etags.body == "x"


def test_an_etag_that_is_no_text_is_none() -> None:
    etags = read(200, {"etag": 3, "properties": ["etag"]}).etags
    assert (etags.header, etags.body, etags.properties) == (None, None, None)


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Oct 2026 13:30:00 GMT"])
def test_without_a_usable_date_the_local_time_stands(date: str) -> None:
    assert read(200, {}, date=date).at == START


def test_a_created_answer_is_a_state_and_an_accepted_one_is_an_operation_under_way() -> None:
    assert read(201, {"properties": {"provisioningState": "InProgress"}}).outcome is Outcome.FOUND
    assert read(202, {}).cause is Cause.IN_FLIGHT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \r\n",
        b"<html><body>Sign in</body></html>",
        b'{"a": 1',
        b'{"a": 1}}',
        b'{"a": 1, "a": 1}',
        b'{"p": {"deep": [{"a": 1, "a": 2}]}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[]",
        b'"text"',
        b"null",
        b'{"a": "\xff"}',
        b"\x00\x01\x02",
        b"[" * 100_000,
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_what_is_not_one_plain_json_object_is_unreadable(body: bytes) -> None:
    reading = read(200, body)
    assert (reading.outcome, reading.cause, reading.body) == (Outcome.UNREADABLE, Cause.NOT_JSON, None)
    assert reading.detail.startswith("200: ")


def test_a_byte_order_mark_is_no_harm() -> None:
    assert read(200, b'\xef\xbb\xbf{"a": 1}').body == {"a": 1}


@pytest.mark.parametrize(
    "named",
    [
        VNET.id,
        VNET.id.upper(),
        VNET.id + "/",
        VNET.id[1:],
        VNET.id.replace("vnet-shop", "vnet%2Dshop"),
        "5f1c0c4e-2f9c-4c7b-9a5e-0b0b0b0b0b0b",
        "https://vault.example/keys/1",
        None,
        7,
    ],
)
def test_known_forms_of_the_own_id_pass(named: object) -> None:
    assert read(200, {"id": named}).outcome is Outcome.FOUND


@pytest.mark.parametrize(
    "named",
    [
        VNET.id + "2",
        GROUP,
        f"{VNET.id}/subnets/a",
        VNET.id.replace("rg-shop", "rg-other"),
        "/providers/Microsoft.X/y/z",
    ],
)
def test_an_answer_about_another_resource_is_refused(named: str) -> None:
    reading = read(200, {"id": named, "properties": {}})
    assert (reading.outcome, reading.cause, reading.body) == (Outcome.UNREADABLE, Cause.REFUSED, None)


@pytest.mark.parametrize(
    "code",
    [
        "ResourceNotFound",
        "NotFound",
        "ParentResourceNotFound",
        "ContainerNotFound",
        "DeploymentNotFound",
        "KeyDoesNotExist",
    ],
)
def test_a_service_that_says_not_found_means_missing(code: str) -> None:
    reading = read(404, {"error": {"code": code, "message": CANARY}})
    assert (reading.outcome, reading.cause, reading.detail) == (Outcome.MISSING, None, f"404 {code}")


def test_a_missing_group_is_told_apart() -> None:
    assert read(404, {"error": {"code": "ResourceGroupNotFound"}}).outcome is Outcome.GROUP_MISSING


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"error": {"code": "SubscriptionNotFound"}}, Cause.REFUSED),
        ({"error": {"code": "InvalidResourceType"}}, Cause.REFUSED),
        ({"error": {"code": "InvalidResourceNamespace"}}, Cause.REFUSED),
        ({}, Cause.REFUSED),
        (b"<html>not found</html>", Cause.NOT_JSON),
        (b"", Cause.NOT_JSON),
        (b"[]", Cause.NOT_JSON),
    ],
)
def test_a_404_that_is_not_about_the_resource_never_means_missing(body: Any, cause: Cause) -> None:
    reading = read(404, body)
    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, cause)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (204, Cause.REFUSED), (206, Cause.REFUSED), (301, Cause.REFUSED), (302, Cause.REFUSED), (304, Cause.REFUSED),
        (307, Cause.REFUSED), (400, Cause.REFUSED), (403, Cause.FORBIDDEN), (408, Cause.TIMEOUT), (409, Cause.REFUSED),
        (410, Cause.REFUSED), (412, Cause.REFUSED), (429, Cause.THROTTLED), (500, Cause.SERVER_ERROR),
        (503, Cause.SERVER_ERROR), (599, Cause.SERVER_ERROR), (799, Cause.SERVER_ERROR),
    ],
)  # fmt: skip
def test_every_other_status_has_its_cause_and_no_body(status: int, cause: Cause) -> None:
    reading = read(status, {"error": {"code": "SomeCode", "message": CANARY}, "id": VNET.id})
    assert (reading.outcome, reading.cause, reading.body) == (Outcome.UNREADABLE, cause, None)
    assert reading.detail == f"{status} SomeCode"


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ({"error": {"code": "A", "additionalInfo": None}}, {}, "A"),
        ({"code": "EtagMismatch", "message": CANARY}, {}, "EtagMismatch"),
        ({"Code": "BadRequest", "Message": CANARY}, {}, "BadRequest"),
        ({"odata.error": {"code": "ResourceNotFound"}}, {}, "ResourceNotFound"),
        (b"<html>", {"x-ms-error-code": "BlobNotFound"}, "BlobNotFound"),
        ({"error": {"code": f"{CANARY} with blanks"}}, {}, ""),
        ({"error": {"code": 7}}, {}, ""),
        ({"error": "text", "code": None}, {}, ""),
        ({"error": {"code": "x" * 81}}, {}, ""),
        ({"error": {"code": "A\nB"}}, {}, ""),
    ],
)
def test_the_service_error_code_is_found_where_services_put_it(body: Any, headers: dict[str, str], code: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert error_code(Answer(400, headers, content)) == code


def test_a_failure_keeps_its_cause_and_detail() -> None:
    reading = read_answer(VNET, "v", Failure(Cause.TIMEOUT, "no answer within 30 s"), START)
    assert (reading.outcome, reading.cause, reading.detail, reading.at) == (
        Outcome.UNREADABLE, Cause.TIMEOUT, "no answer within 30 s", START,
    )  # fmt: skip


def test_an_object_of_any_kind_is_read_from_a_200_only() -> None:
    assert object_in(Answer(200, {}, b'{"value": []}')) == {"value": []}
    assert object_in(Answer(201, {}, b"{}")) == Failure(Cause.REFUSED, "201 Created")
    assert object_in(Answer(403, {}, b'{"error": {"code": "A"}}')) == Failure(Cause.FORBIDDEN, "403 A")
    assert object_in(Answer(200, {}, b"[]")) == Failure(Cause.NOT_JSON, "200: the body is not a JSON object")


def test_a_refused_body_is_never_quoted() -> None:
    for body in (f'{{"{CANARY}": 1, "{CANARY}": 2}}', f'{{"a": {CANARY}}}', f'["{CANARY}"]'):
        with pytest.raises(NotJson) as refused:
            parse_object(body.encode())
        assert CANARY not in str(refused.value)


def test_header_texts_come_printable_and_short() -> None:
    reading = read(200, {}, x_ms_request_id="a\x1b[31m" + "b" * 1000)
    assert reading.request_id is not None and reading.request_id.isprintable() and len(reading.request_id) == 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_BODIES = st.binary(max_size=80) | _JSON.map(lambda value: json.dumps(value).encode())


@given(st.integers(100, 999), st.dictionaries(st.sampled_from(["etag", "date", "x-ms-request-id"]), st.text()), _BODIES)
def test_any_answer_gives_a_reading_that_is_either_found_or_says_why(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    reading = read_answer(VNET, "v", Answer(status, headers, body), START)
    assert (reading.outcome is Outcome.FOUND) == (reading.body is not None)
    assert (reading.outcome is Outcome.UNREADABLE) == (reading.cause is not None)
    assert reading.outcome is Outcome.FOUND or reading.detail
    assert reading.at.tzinfo is not None and "\n" not in reading.detail
    assert reading.outcome is not Outcome.FOUND or status in (200, 201)


def test_the_subscription_itself_is_never_missing() -> None:
    ref = parse_ref(SUBSCRIPTION)
    answer = Answer(404, {}, b'{"error": {"code": "SubscriptionNotFound"}}')
    assert read_answer(ref, "v", answer, START).outcome is Outcome.UNREADABLE
