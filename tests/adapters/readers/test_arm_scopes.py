"""What ARM says of a scope: its resources page by page, a deployment, the tenant of a subscription."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from driftguard.adapters.readers.arm import ArmReader
from driftguard.errors import CannotTell, NotFound, OtherScope, Unavailable, WrongUse
from driftguard.flow.reading import Members
from driftguard.flow.resource import parse_ref
from tests.adapters.readers.arm_stub import (
    GROUP,
    SUBSCRIPTION,
    ArmStub,
    FakeClock,
    Reply,
    error_reply,
    json_reply,
    options_for,
)

SCOPE = parse_ref(GROUP, tenant="t-1")
LIST = f"{GROUP}/resources"
DEPLOYMENT = parse_ref(f"{GROUP}/providers/Microsoft.Resources/deployments/release-7")


def vnet(name: str) -> str:
    return f"{GROUP}/providers/Microsoft.Network/virtualNetworks/{name}"


def page(*ids: object, link: object = None) -> Reply:
    rows = [{"id": id_, "name": "n"} for id_ in ids]
    return json_reply({"value": rows} if link is None else {"value": rows, "nextLink": link})


@pytest.fixture
def reader(stub: ArmStub, clock: FakeClock) -> Iterator[ArmReader]:
    with ArmReader(options_for(stub), clock, workers=1) as made:
        yield made


def test_all_pages_are_read_and_refs_keep_cloud_and_tenant(stub: ArmStub, reader: ArmReader) -> None:
    following = f"{stub.endpoint}{LIST}?api-version=2021-04-01&%24skiptoken=a%2Fb%3D"
    stub.answer(LIST, page(vnet("a").upper(), link=following), page(vnet("b")))
    members = reader.members(SCOPE)
    assert members.complete and members.detail == ""
    assert [ref.key for ref in members.refs] == [vnet("a").lower(), vnet("b").lower()]
    assert {(ref.tenant, ref.cloud) for ref in members.refs} == {("t-1", "public")}
    assert stub.requests[1][0].endswith("?api-version=2021-04-01&%24skiptoken=a%2Fb%3D")


def test_an_empty_group_is_complete(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(LIST, page())
    assert reader.members(SCOPE) == Members(SCOPE, (), complete=True)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/subscriptions",
        "https://127.0.0.1/",
        "http://127.0.0.1:1/",
        "http://127.0.0.1.evil.example/",
        "//evil.example/x",
        "/relative",
        "file:///etc/passwd",
        "http://[::1",
        7,
        {"a": 1},
    ],
)
def test_a_next_page_on_another_host_is_not_asked_for_and_the_list_is_incomplete(
    link: object, stub: ArmStub, reader: ArmReader
) -> None:
    stub.answer(LIST, page(vnet("a"), link=link))
    members = reader.members(SCOPE)
    assert not members.complete and members.detail and len(members.refs) == 1 and len(stub.requests) == 1


def test_a_next_page_with_the_hosts_name_in_its_user_part_is_refused(stub: ArmStub, reader: ArmReader) -> None:
    host = stub.endpoint.removeprefix("http://")
    stub.answer(LIST, page(link=f"http://{host}@evil.example/"))
    assert not reader.members(SCOPE).complete and len(stub.requests) == 1


def test_a_list_that_leads_in_a_circle_ends(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(LIST, page(vnet("a"), link=f"{stub.endpoint}{LIST}?page=2"))
    members = reader.members(SCOPE)
    assert not members.complete and len(stub.requests) == 2


@pytest.mark.parametrize(
    "last",
    [
        error_reply(403, "AuthorizationFailed"),
        error_reply(500, "InternalServerError"),
        Reply(200, b"<html>"),
        Reply(200, b'{"value": [', mode="half"),
        json_reply({"value": {}}),
        json_reply({}),
        Reply(mode="hang"),
    ],
)
def test_a_page_that_fails_makes_the_list_incomplete(last: Reply, stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(LIST, page(vnet("a"), link=f"{stub.endpoint}{LIST}?page=2"), last)
    members = reader.members(SCOPE)
    assert not members.complete and members.detail and [ref.name for ref in members.refs] == ["a"]


@pytest.mark.parametrize(
    "strange",
    [
        None,
        7,
        "",
        "not an id",
        "/subscriptions/x",
        f"{GROUP}-other/providers/Microsoft.Web/sites/s",
        GROUP,
        "https://x/y",
    ],
)
def test_a_row_that_cannot_be_read_is_told(strange: object, stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(LIST, page(vnet("a"), strange))
    members = reader.members(SCOPE)
    assert not members.complete and members.detail.startswith("1 listed") and len(members.refs) == 1


def test_rows_that_are_no_objects_are_told(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(LIST, json_reply({"value": [None, "x", []]}))
    assert reader.members(SCOPE).detail.startswith("3 listed")


def test_only_groups_and_subscriptions_have_members(stub: ArmStub, reader: ArmReader) -> None:
    with pytest.raises(WrongUse):
        reader.members(parse_ref(vnet("a")))
    stub.answer(f"{SUBSCRIPTION}/resources", page(vnet("a")))
    assert reader.members(parse_ref(SUBSCRIPTION)).complete


def deployed(**properties: Any) -> Reply:
    return json_reply({"id": DEPLOYMENT.id, "properties": {"provisioningState": "Succeeded", **properties}})


def test_a_deployment_tells_state_correlation_id_and_outputs(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(
        DEPLOYMENT.id,
        deployed(
            correlationId="c-1",
            timestamp="2026-10-01T10:00:00.1234567Z",
            outputResources=[{"id": vnet("a")}, {"id": vnet("b")}],
        ),
    )
    found = reader.deployment(DEPLOYMENT)
    assert (found.state, found.correlation_id, found.detail) == ("Succeeded", "c-1", "")
    assert [ref.name for ref in found.resources] == ["a", "b"]
    assert found.at == datetime(2026, 10, 1, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ([{"id": vnet("a")}, {"id": "x"}, 7], "2 output resources"),
        ([{"id": None}], "1 output resources"),
        ({"id": vnet("a")}, "the output resources"),
        ("x", "the output resources"),
        (0, "the output resources"),
    ],
)
def test_outputs_that_cannot_be_read_are_an_error_with_a_remedy(
    outputs: object, told: str, stub: ArmStub, reader: ArmReader
) -> None:
    stub.answer(DEPLOYMENT.id, deployed(outputResources=outputs))
    with pytest.raises(CannotTell, match=told) as raised:
        reader.deployment(DEPLOYMENT)
    assert "--resource" in raised.value.remedy


@pytest.mark.parametrize("outputs", [{}, {"outputResources": None}, {"outputResources": []}])
def test_a_deployment_may_output_nothing(outputs: dict[str, Any], stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(DEPLOYMENT.id, deployed(timestamp="soon", **outputs))
    found = reader.deployment(DEPLOYMENT)
    assert (found.resources, found.correlation_id) == ((), None)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (error_reply(404, "DeploymentNotFound"), NotFound),
        (error_reply(404, "ResourceGroupNotFound"), NotFound),
        (Reply(404, b"<html>"), Unavailable),
        (error_reply(403, "AuthorizationFailed"), Unavailable),
        (error_reply(500, "InternalServerError"), Unavailable),
        (error_reply(401, "InvalidAuthenticationTokenTenant"), OtherScope),
        (Reply(200, b"<html>"), Unavailable),
        (json_reply({"properties": {}}), Unavailable),
        (json_reply({}), Unavailable),
    ],
)
def test_a_deployment_that_is_not_answered_is_an_error(
    reply: Reply, error: type[Exception], stub: ArmStub, reader: ArmReader
) -> None:
    stub.answer(DEPLOYMENT.id, reply)
    with pytest.raises(error) as raised:
        reader.deployment(DEPLOYMENT)
    assert getattr(raised.value, "remedy", "")


def test_only_a_deployment_is_read_as_one(reader: ArmReader) -> None:
    with pytest.raises(WrongUse):
        reader.deployment(parse_ref(vnet("a")))


def test_the_tenant_of_a_subscription(stub: ArmStub, reader: ArmReader) -> None:
    stub.answer(SUBSCRIPTION, json_reply({"id": SUBSCRIPTION, "tenantId": "ABCD"}))
    assert reader.tenant_of(parse_ref(SUBSCRIPTION).subscription) == "abcd"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (error_reply(404, "SubscriptionNotFound"), NotFound),
        (error_reply(401, "InvalidAuthenticationTokenTenant"), OtherScope),
        (error_reply(403, "AuthorizationFailed"), Unavailable),
        (json_reply({}), Unavailable),
        (json_reply({"tenantId": 7}), Unavailable),
    ],
)
def test_a_subscription_that_names_no_tenant_is_an_error(
    reply: Reply, error: type[Exception], stub: ArmStub, reader: ArmReader
) -> None:
    stub.answer(SUBSCRIPTION, reply)
    with pytest.raises(error):
        reader.tenant_of(parse_ref(SUBSCRIPTION).subscription)


def test_a_subscription_id_that_is_none_is_not_sent(stub: ArmStub, reader: ArmReader) -> None:
    with pytest.raises(WrongUse):
        reader.tenant_of("../providers")
    assert stub.requests == []
