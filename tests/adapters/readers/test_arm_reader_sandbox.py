"""The reader and the Activity Log against the sandbox: whole estates, real bodies, throttling, actors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import requests

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.sources.activity_log import ActivityLog
from driftguard.errors import NotFound, OtherScope, Unavailable
from driftguard.flow.attribute import Event
from driftguard.flow.reading import Cause, Outcome, Reading, Wanted
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.sandbox import OTHER_SUBSCRIPTION, SUBSCRIPTION, TENANT, Sandbox

READ_TIMEOUT = 5.0  # no test waits for it but the one of a hang, which shortens it
NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network"
NSG = f"{NETWORK}/providers/Microsoft.Network/networkSecurityGroups/nsg-web"
VNET = f"{NETWORK}/providers/Microsoft.Network/virtualNetworks/vnet-shop"
PUBLIC_IP = f"{NETWORK}/providers/Microsoft.Network/publicIPAddresses/pip-jump"
LOCK = f"{NETWORK}/providers/Microsoft.Network/dnsZones/shop.contoso.com/providers/Microsoft.Authorization/locks/keep"


class SandboxClock:
    """The sandbox's time of day. A wait passes at once, unless it is `real`, as the sandbox's own throttling is."""

    def __init__(self, sandbox: Sandbox, *, real: bool = False) -> None:
        self._sandbox = sandbox
        self._real = real
        self._lock = threading.Lock()
        self._skipped = 0.0

    def now(self) -> datetime:
        return self._sandbox.now()

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        if self._real:
            time.sleep(seconds)
            return
        with self._lock:
            self._skipped += seconds


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def reader_of(sandbox: Sandbox, token: str = "reader", workers: int = 8, *, real_waits: bool = False) -> ArmReader:
    options = ArmOptions(endpoint=sandbox.endpoint, token=token, read_timeout=READ_TIMEOUT, max_tries=2)
    return ArmReader(options, SandboxClock(sandbox, real=real_waits), workers=workers)


@pytest.fixture
def reader(sandbox: Sandbox) -> Iterator[ArmReader]:
    with reader_of(sandbox) as made:
        yield made


def read(reader: ArmReader, *ids: str, budget: float = 60) -> list[Reading]:
    return list(reader.read((Wanted(parse_ref(id_)) for id_ in ids), budget=budget))


def test_every_resource_of_the_estate_is_read_with_a_version_of_its_own(sandbox: Sandbox, reader: ArmReader) -> None:
    ids = sandbox.ids()
    readings = read(reader, *ids)
    assert {reading.outcome for reading in readings} == {Outcome.FOUND}
    assert {reading.ref.key for reading in readings} == {id_.lower() for id_ in ids}
    for reading in readings:
        assert reading.body == sandbox.get(reading.ref.id, api_version=reading.api_version)
        assert reading.request_id and reading.correlation_id and reading.status == 200


def test_children_and_extension_resources_are_read(reader: ArmReader) -> None:
    (network,) = read(reader, VNET)
    assert network.body is not None
    subnet = network.body["properties"]["subnets"][0]["id"]
    readings = {reading.ref.id: reading for reading in read(reader, LOCK, subnet)}
    assert readings[LOCK].outcome is Outcome.FOUND
    etags = readings[subnet].etags
    assert etags.header and etags.header == etags.body and etags.header.startswith("W/")


def test_the_servers_time_is_the_time_of_the_reading(sandbox: Sandbox, reader: ArmReader) -> None:
    sandbox.advance(86_400 * 30)
    (reading,) = read(reader, NSG)
    assert abs(reading.at - sandbox.now()) < timedelta(seconds=5)


def test_a_deleted_resource_is_missing_and_a_deleted_group_is_one_finding(sandbox: Sandbox, reader: ArmReader) -> None:
    sandbox.delete(PUBLIC_IP)
    (missing,) = read(reader, PUBLIC_IP)
    assert (missing.outcome, missing.detail) == (Outcome.MISSING, "404 ResourceNotFound")
    sandbox.delete(LOCK)
    sandbox.delete(NETWORK)
    assert {reading.outcome for reading in read(reader, NSG, PUBLIC_IP, NETWORK)} == {Outcome.GROUP_MISSING}


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("403", Cause.FORBIDDEN),
        ("429", Cause.THROTTLED),
        ("500", Cause.SERVER_ERROR),
        ("503", Cause.SERVER_ERROR),
        ("half-body", Cause.NOT_JSON),
        ("html", Cause.NOT_JSON),
        ("empty", Cause.NOT_JSON),
        ("huge", Cause.TOO_LARGE),
        ("not-object", Cause.NOT_JSON),
    ],
)
def test_every_fault_is_unreadable_with_its_cause_and_passes_by(
    fault: str, cause: Cause, sandbox: Sandbox, reader: ArmReader
) -> None:
    read(reader, NSG)
    sandbox.fault(NSG, fault, method="GET")
    readings = {reading.ref.id: reading for reading in read(reader, NSG, PUBLIC_IP)}
    assert (readings[NSG].outcome, readings[NSG].cause) == (Outcome.UNREADABLE, cause)
    sandbox.clear_faults()
    (again,) = read(reader, NSG)
    assert again.outcome is Outcome.FOUND


def test_a_hang_is_a_timeout(sandbox: Sandbox) -> None:
    sandbox.fault(NSG, "hang")
    options = ArmOptions(endpoint=sandbox.endpoint, token="reader", read_timeout=0.3, max_tries=1)
    with ArmReader(
        options, SandboxClock(sandbox), pins={"Microsoft.Network/networkSecurityGroups": "2024-05-01"}
    ) as one:
        (reading,) = read(one, NSG)
    assert (reading.cause, reading.detail) == (Cause.TIMEOUT, "no answer within 0.3 s")


def test_a_404_of_a_resource_in_a_group_that_is_forbidden_is_not_missing(sandbox: Sandbox, reader: ArmReader) -> None:
    sandbox.delete(PUBLIC_IP)
    read(reader, NSG)
    sandbox.fault(NETWORK, "403", method="GET")
    (reading,) = read(reader, PUBLIC_IP)
    assert (reading.outcome, reading.cause) == (Outcome.UNREADABLE, Cause.FORBIDDEN)


def test_following_arms_headers_the_reader_is_never_throttled(sandbox: Sandbox) -> None:
    sandbox.throttle({"reads": (12, 60)})
    with reader_of(sandbox, workers=4, real_waits=True) as reader:
        readings = read(reader, *sandbox.ids()[:30])
    assert {reading.outcome for reading in readings} == {Outcome.FOUND}
    asked = requests.get(f"{sandbox.endpoint}/sandbox/log", timeout=5).json()
    assert "429" not in {str(row.get("status")) for row in asked["requests"]}


def test_a_subscription_of_another_tenant_is_other_scope(reader: ArmReader) -> None:
    with pytest.raises(OtherScope):
        read(reader, f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/rg")
    with pytest.raises(OtherScope):
        reader.tenant_of(OTHER_SUBSCRIPTION)


def test_an_unknown_token_is_no_sign_in(sandbox: Sandbox) -> None:
    with reader_of(sandbox, token="nobody") as reader, pytest.raises(Unavailable):
        read(reader, NSG)


def test_an_unknown_subscription_is_never_taken_for_missing_resources(reader: ArmReader) -> None:
    unknown = NSG.replace(SUBSCRIPTION, "99999999-9999-9999-9999-999999999999")
    (reading,) = read(reader, unknown)
    assert reading.outcome is Outcome.UNREADABLE
    with pytest.raises(NotFound):
        reader.tenant_of("99999999-9999-9999-9999-999999999999")


def test_the_tenant_and_the_members_of_scopes(sandbox: Sandbox, reader: ArmReader) -> None:
    assert reader.tenant_of(SUBSCRIPTION) == TENANT
    group = reader.members(parse_ref(NETWORK))
    whole = reader.members(parse_ref(f"/subscriptions/{SUBSCRIPTION}"))
    assert group.complete and whole.complete and set(group.refs) < set(whole.refs)
    assert parse_ref(NSG).key in {ref.key for ref in group.refs}


def test_members_are_read_over_all_pages() -> None:
    with Sandbox(page=3) as small, reader_of(small) as reader, Sandbox() as large, reader_of(large) as other:
        assert reader.members(parse_ref(NETWORK)).refs == other.members(parse_ref(NETWORK)).refs


def test_a_deployment_with_its_outputs(sandbox: Sandbox, reader: ArmReader) -> None:
    body = sandbox.get(PUBLIC_IP)
    assert body is not None
    made = sandbox.deploy("release-7", [{"id": PUBLIC_IP, **body}], resource_group="rg-shop-network")
    ref = parse_ref(f"{NETWORK}/providers/Microsoft.Resources/deployments/release-7")
    found = reader.deployment(ref)
    assert (found.state, found.correlation_id) == ("Succeeded", made["properties"]["correlationId"])
    assert [output.key for output in found.resources] == [PUBLIC_IP.lower()] and found.detail == ""
    with pytest.raises(NotFound):
        reader.deployment(parse_ref(f"{ref.id}-other"))


def events_on(sandbox: Sandbox, reader: ArmReader, *refs: ResourceRef) -> tuple[Event, ...]:
    log = ActivityLog(reader.client, SandboxClock(sandbox))
    now = sandbox.now()
    found = log.events(refs, now - timedelta(minutes=5), now + timedelta(minutes=1))
    assert found.problem == "" and found.covered_until == pytest.approx(
        now - timedelta(minutes=20), abs=timedelta(seconds=5)
    )
    return found.events


@pytest.mark.parametrize(
    ("actor", "is_person", "client", "category"),
    [
        ("person-portal:anna@contoso.com", True, "Azure portal", "Administrative"),
        ("person-cli", True, "Azure CLI", "Administrative"),
        ("pipeline", False, "", "Administrative"),
        ("azure-policy", False, "managed identity deploy-diagnostics", "Policy"),
    ],
)
def test_the_log_tells_who_wrote(
    actor: str, is_person: bool, client: str, category: str, sandbox: Sandbox, reader: ArmReader
) -> None:
    sandbox.advance(600)
    correlation_id = "0f0f0f0f-0000-4000-8000-000000000001"
    sandbox.patch(NSG, {"tags": {"by": "somebody"}}, as_=actor, correlation_id=correlation_id)
    (event,) = events_on(sandbox, reader, parse_ref(NSG))
    assert (event.is_person, event.client, event.category) == (is_person, client, category)
    assert (event.resource, event.correlation_id) == (NSG.lower(), correlation_id)
    assert event.operation == "Microsoft.Network/networkSecurityGroups/write"
    assert event.caller and event.object_id and event.app_id
    if actor.endswith("contoso.com"):
        assert event.caller == "anna@contoso.com" and event.client_ip


def test_the_log_tells_of_children_deletes_and_other_resources_apart(sandbox: Sandbox, reader: ArmReader) -> None:
    sandbox.advance(600)
    rule = f"{NSG}/securityRules/emergency"
    body = {"properties": {"priority": 3000, "direction": "Inbound", "access": "Allow", "protocol": "*"}}
    sandbox.put(rule, body, as_="person-portal")
    sandbox.delete(rule, as_="person-portal")
    sandbox.patch(PUBLIC_IP, {"tags": {"x": "y"}}, as_="person-portal")
    sandbox.evaluate(NSG)
    found = events_on(sandbox, reader, parse_ref(NSG))
    assert {event.resource for event in found} == {rule.lower()}
    assert [event.operation.rsplit("/", 1)[-1] for event in found] == ["write", "delete"]


def test_an_event_that_has_not_arrived_is_not_covered(sandbox: Sandbox, reader: ArmReader) -> None:
    sandbox.advance(600)
    sandbox.log_latency(600)
    sandbox.patch(NSG, {"tags": {"by": "somebody"}}, as_="person-portal")
    assert events_on(sandbox, reader, parse_ref(NSG)) == ()
    sandbox.advance(601)
    since = sandbox.now() - timedelta(minutes=30)
    log = ActivityLog(reader.client, SandboxClock(sandbox))
    assert len(log.events([parse_ref(NSG)], since, sandbox.now()).events) == 1


def test_an_autoscale_event_is_of_the_scaled_resource(sandbox: Sandbox, reader: ArmReader) -> None:
    sandbox.advance(600)
    scale_set = next(id_ for id_ in sandbox.ids() if id_.endswith("vmss-jobs"))
    sandbox.platform(scale_set, {"sku.capacity": 5}, as_="autoscale")
    (event,) = events_on(sandbox, reader, parse_ref(scale_set))
    assert (event.category, event.is_person) == ("Autoscale", False)
