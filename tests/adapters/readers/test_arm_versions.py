"""Which api-version a new baseline gets."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from driftguard.adapters.readers.arm_answers import Answer, Failure
from driftguard.adapters.readers.arm_versions import ApiVersions
from driftguard.flow.reading import Cause
from driftguard.flow.resource import parse_ref
from tests.adapters.readers.arm_stub import GROUP, SUBSCRIPTION, FakeClock

LATER = 1e9
VNET = parse_ref(f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v")
LISTED = {
    "id": f"{SUBSCRIPTION}/providers/Microsoft.Network",
    "resourceTypes": [
        {"resourceType": "virtualNetworks", "apiVersions": ["2025-01-01-preview", "2023-09-01", "2024-05-01"]},
        {"resourceType": "odd", "apiVersions": ["2024-01-01-preview", "2024-03-01-alpha", "latest", None, 7]},
        {"resourceType": "none", "apiVersions": []},
        {"resourceType": "broken", "apiVersions": "2024-05-01"},
        {"resourceType": 7, "apiVersions": ["2024-05-01"]},
        "not a row",
    ],
}


class Provider:
    """Answers the provider list and counts how often it was asked."""

    def __init__(self, *answers: Answer | Failure) -> None:
        self.answers = list(answers) or [Answer(200, {}, json.dumps(LISTED).encode())]
        self.asked: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def __call__(self, path: str, query: Mapping[str, str], subscription: str, deadline: float) -> Answer | Failure:
        with self._lock:
            self.asked.append((path, query["api-version"]))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def chosen(provider: Provider, id_: str, **named: Any) -> str | Failure:
    return ApiVersions(provider, named.pop("clock", FakeClock()), **named).choose(parse_ref(id_), LATER)


def network(type_and_name: str) -> str:
    return f"{GROUP}/providers/Microsoft.Network/{type_and_name}"


def test_the_newest_stable_version_is_taken_before_a_newer_preview() -> None:
    provider = Provider()
    assert chosen(provider, network("VIRTUALNETWORKS/v")) == "2024-05-01"
    assert provider.asked == [(f"{SUBSCRIPTION}/providers/microsoft.network", "2021-04-01")]


def test_the_newest_preview_is_taken_where_nothing_is_stable() -> None:
    assert chosen(Provider(), network("odd/x")) == "2024-03-01-alpha"


def test_a_nested_type_takes_the_version_of_its_nearest_listed_parent() -> None:
    assert chosen(Provider(), network("virtualNetworks/v/subnets/s")) == "2024-05-01"


@pytest.mark.parametrize("unlisted", ["unknown/x", "none/x", "broken/x"])
def test_a_type_without_a_version_is_refused_with_the_remedy(unlisted: str) -> None:
    refused = chosen(Provider(), network(unlisted))
    assert isinstance(refused, Failure) and refused.cause is Cause.REFUSED and "api_versions" in refused.detail


def test_a_pin_of_the_policy_comes_first_whatever_the_casing_of_the_id() -> None:
    provider = Provider()
    pins = {"microsoft.network/virtualnetworks": "2020-01-01"}
    assert chosen(provider, VNET.id, pins=pins) == "2020-01-01" and provider.asked == []


@pytest.mark.parametrize(("id_", "version"), [(GROUP, "2021-04-01"), (SUBSCRIPTION, "2022-12-01")])
def test_groups_and_subscriptions_have_fixed_versions(id_: str, version: str) -> None:
    provider = Provider()
    assert chosen(provider, id_) == version and provider.asked == []


def test_an_extension_resource_is_of_the_type_of_its_last_provider() -> None:
    listed = {"resourceTypes": [{"resourceType": "locks", "apiVersions": ["2020-05-01"]}]}
    provider = Provider(Answer(200, {}, json.dumps(listed).encode()))
    assert chosen(provider, f"{VNET.id}/providers/Microsoft.Authorization/locks/l") == "2020-05-01"
    assert provider.asked[0][0].endswith("/providers/microsoft.authorization")


def test_a_tenant_level_resource_asks_the_tenants_list() -> None:
    provider = Provider(Answer(200, {}, b'{"resourceTypes": [{"resourceType": "a", "apiVersions": ["2020-05-01"]}]}'))
    assert chosen(provider, "/providers/Microsoft.X/a/b") == "2020-05-01"
    assert provider.asked[0][0] == "/providers/microsoft.x"


def test_a_list_that_cannot_be_had_is_the_resources_cause_and_is_asked_again_after_a_minute(clock: FakeClock) -> None:
    provider = Provider(Answer(403, {}, b"{}"), Answer(200, {}, json.dumps(LISTED).encode()))
    versions = ApiVersions(provider, clock)
    for _ in range(3):
        refused = versions.choose(VNET, LATER)
        assert isinstance(refused, Failure) and refused.cause is Cause.FORBIDDEN and "403" in refused.detail
    assert len(provider.asked) == 1
    clock.sleep(61)
    assert versions.choose(VNET, LATER) == "2024-05-01"


def test_out_of_time_is_not_remembered(clock: FakeClock) -> None:
    provider = Provider(Failure(Cause.OUT_OF_TIME, "over"), Answer(200, {}, json.dumps(LISTED).encode()))
    versions = ApiVersions(provider, clock)
    assert isinstance(versions.choose(VNET, LATER), Failure)
    assert versions.choose(VNET, LATER) == "2024-05-01"


@pytest.mark.parametrize("body", [b"{}", b'{"resourceTypes": {}}', b"[]", b"<html>"])
def test_a_strange_list_gives_no_version(body: bytes) -> None:
    assert isinstance(chosen(Provider(Answer(200, {}, body)), VNET.id), Failure)


def test_32_threads_ask_once_per_namespace(clock: FakeClock) -> None:
    provider = Provider()
    versions = ApiVersions(provider, clock)
    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda _: versions.choose(VNET, LATER), range(200))) == {"2024-05-01"}
    assert len(provider.asked) == 1


def test_a_list_is_kept_a_day_on_disk_and_in_memory(tmp_path: Path, clock: FakeClock) -> None:
    provider = Provider()
    first = ApiVersions(provider, clock, folder=tmp_path)
    first.choose(VNET, LATER)
    clock.sleep(3600 * 23)
    assert ApiVersions(provider, clock, folder=tmp_path).choose(VNET, LATER) == "2024-05-01"
    assert first.choose(VNET, LATER) == "2024-05-01" and len(provider.asked) == 1
    clock.sleep(3600 * 2)
    first.choose(VNET, LATER)
    assert len(provider.asked) == 2
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["microsoft.network.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"7",
        b'{"fetched": 7, "versions": {}}',
        b'{"fetched": "2026-10-01T11:00:00+00:00", "versions": {"virtualnetworks": 7}}',
        b'{"fetched": "2026-10-01T11:00:00+00:00", "versions": []}',
        b'{"fetched": "2026-10-01T11:00:00", "versions": {"virtualnetworks": "2000-01-01"}}',
        b'{"fetched": "2026-10-02T11:00:00+00:00", "versions": {"virtualnetworks": "2000-01-01"}}',
        b'{"fetched": "2026-09-30T11:00:00+00:00", "versions": {"virtualnetworks": "2000-01-01"}}',
    ],
)
def test_a_damaged_old_or_future_file_is_ignored_and_replaced(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / VNET.subscription / "microsoft.network.json"
    file.parent.mkdir()
    file.write_bytes(content)
    assert chosen(Provider(), VNET.id, folder=tmp_path) == "2024-05-01"
    assert json.loads(file.read_text())["versions"]["virtualnetworks"] == "2024-05-01"


def test_a_version_on_disk_that_is_no_version_is_not_sent_to_arm(tmp_path: Path) -> None:
    file = tmp_path / VNET.subscription / "microsoft.network.json"
    file.parent.mkdir()
    file.write_text('{"fetched": "2026-10-01T11:00:00+00:00", "versions": {"virtualnetworks": "1&x=2"}}')
    assert isinstance(chosen(Provider(), VNET.id, folder=tmp_path), Failure)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert chosen(Provider(), VNET.id, folder=blocked) == "2024-05-01"
