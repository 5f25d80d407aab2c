"""The committed tables, and that they can be built again from packages that are installed for development."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driftguard.flow.path import PathPattern
from tools.build_platform_paths import INDEX, PINS
from tools.platform_paths.exceptions import without_exceptions
from tools.platform_paths.namespaces import read_namespaces
from tools.platform_paths.namespaces import text_of as index_text
from tools.platform_paths.package import read_package
from tools.platform_paths.resources import Resources, uses_of
from tools.platform_paths.table import table_of
from tools.platform_paths.wheels import from_site_packages, pinned
from tools.platform_paths.write import text_of

TABLES = Path(__file__).resolve().parents[2] / "policies" / "platform"
FILES = {path.stem: path.read_text("utf-8") for path in sorted(TABLES.glob("*.json"))}
ENTRIES: dict[str, dict[str, Any]] = {
    name: entry for text in FILES.values() for name, entry in json.loads(text).items()
}
KEYS = {"package", "read_only", "secret", "children", "settings_by_post", "names"}
OF_ITS_OWN_RULES = {"id", "name", "type", "etag", "systemdata", "tags", "location", "properties"}


def lists(entry: dict[str, Any]) -> Iterator[list[str]]:
    """Every list of an entry and of its names."""
    for part in (entry, *entry.get("names", {}).values()):
        yield from (part[key] for key in ("read_only", "secret", "children", "settings_by_post") if key in part)


def patterns() -> Iterator[tuple[str, str]]:
    for name, entry in ENTRIES.items():
        for part in (entry, *entry.get("names", {}).values()):
            yield from ((name, path) for key in ("read_only", "secret") for path in part.get(key, []))


def test_there_are_tables_for_most_of_azure() -> None:
    assert len(ENTRIES) >= 1_000
    assert len({entry["package"] for entry in ENTRIES.values()}) >= 60


def test_every_file_is_in_the_form_in_which_it_is_written() -> None:
    assert not [name for name, text in FILES.items() if text != text_of(json.loads(text))]
    assert not [name for name, entry in ENTRIES.items() if not {"package", "read_only"} <= set(entry) <= KEYS]
    assert not [name for name, entry in ENTRIES.items() for part in lists(entry) if part != sorted(set(part))]


def test_every_type_stands_once_and_in_the_file_of_its_namespace() -> None:
    assert not [name for file, text in FILES.items() for name in json.loads(text) if not name.startswith(f"{file}/")]
    assert len({name.lower() for name in ENTRIES}) == len(ENTRIES)
    assert len({file.lower() for file in FILES}) == len(FILES)


def test_empty_lists_are_left_out() -> None:
    assert not [
        name for name, entry in ENTRIES.items() for key in KEYS - {"read_only"} if entry.get(key, True) in ([], {})
    ]


def test_every_path_is_a_pattern() -> None:
    for _, path in patterns():
        PathPattern.parse(path)


def test_no_path_is_one_that_has_a_rule_of_its_own() -> None:
    for name, path in patterns():
        last = path.rpartition(".")[2].lower()
        assert path.lower() not in OF_ITS_OWN_RULES, (name, path)
        assert last not in {"id", "name", "etag", "provisioningstate"}, (name, path)


def test_no_path_lies_below_another_one_of_the_same_list() -> None:
    wrong = []
    for name, entry in ENTRIES.items():
        for part in (entry, *entry.get("names", {}).values()):
            told = set(part["read_only"])
            wrong += [f"{name} {path}" for path in told for end in _ends(path) if path[:end] in told]
    assert not wrong


def _ends(path: str) -> Iterator[int]:
    return (index for index, char in enumerate(path) if index and char in ".[")


def test_every_package_is_a_pinned_one_and_every_pin_has_its_digest() -> None:
    pins = [line for file in PINS for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert not [line for line in pins if "--hash=sha256:" not in line]
    titles = {
        f"{name} {pin.version}" for file in PINS for name, pin in pinned(file.read_text("utf-8").splitlines()).items()
    }
    assert not {entry["package"] for entry in ENTRIES.values()} - titles


@pytest.mark.parametrize(
    ("resource_type", "written_by_people"),
    [
        (
            "Microsoft.Storage/storageAccounts",
            ["sku", "kind", "properties.networkAcls", "properties.minimumTlsVersion"],
        ),
        (
            "Microsoft.Compute/virtualMachines",
            ["zones", "identity", "properties.hardwareProfile", "properties.osProfile"],
        ),
        ("Microsoft.Network/networkInterfaces", ["properties.ipConfigurations", "properties.networkSecurityGroup"]),
        ("Microsoft.Network/networkSecurityGroups", ["properties.securityRules"]),
        ("Microsoft.Network/virtualNetworks", ["properties.addressSpace", "properties.subnets"]),
        ("Microsoft.Network/loadBalancers", ["sku", "properties.loadBalancingRules", "properties.probes"]),
        (
            "Microsoft.Network/publicIPAddresses",
            ["sku", "properties.publicIPAllocationMethod", "properties.dnsSettings"],
        ),
        ("Microsoft.Network/dnsZones/A", ["properties.TTL", "properties.ARecords"]),
        ("Microsoft.Web/sites", ["properties.siteConfig", "properties.httpsOnly", "properties.serverFarmId"]),
        ("Microsoft.Sql/servers/databases", ["sku", "properties.maxSizeBytes", "properties.zoneRedundant"]),
        ("Microsoft.KeyVault/vaults", ["properties.accessPolicies", "properties.networkAcls"]),
        (
            "Microsoft.ContainerService/managedClusters",
            ["sku", "properties.agentPoolProfiles", "properties.networkProfile"],
        ),
        ("Microsoft.Authorization/roleAssignments", ["properties.roleDefinitionId", "properties.principalId"]),
        ("Microsoft.Insights/diagnosticSettings", ["properties.logs", "properties.workspaceId"]),
    ],
)
def test_what_people_write_is_not_in_the_table(resource_type: str, written_by_people: list[str]) -> None:
    assert not set(ENTRIES[resource_type]["read_only"]) & set(written_by_people)


@pytest.mark.parametrize(
    ("name", "namespace"),
    [("azure-mgmt-msi", "Microsoft.ManagedIdentity"), ("azure-mgmt-healthbot", "Microsoft.HealthBot")],
)
def test_an_installed_package_gives_the_committed_bytes_again(name: str, namespace: str) -> None:
    sources = from_site_packages(Path(sysconfig.get_path("purelib")), name)
    assert pinned(PINS[0].read_text("utf-8").splitlines())[name].version == sources.version
    found = table_of(Resources(uses_of([read_package(sources)])))
    assert text_of(found.files[namespace]) == FILES[namespace]


def test_the_index_of_namespaces_names_every_package_of_the_tables() -> None:
    known = read_namespaces(INDEX)
    assert INDEX.read_text("utf-8") == index_text(known)
    assert not [
        name
        for name, entry in ENTRIES.items()
        if entry["package"].partition(" ")[0] not in known[name.partition("/")[0].lower()]
    ]


def test_no_entry_of_a_name_is_a_request_that_is_only_posted() -> None:
    posted = {"checknameavailability", "refresh", "disable", "reset", "cancel", "search", "generateuri", "skus"}
    assert not [
        (name, literal)
        for name, entry in ENTRIES.items()
        for literal in entry.get("names", {})
        if literal.lower() in posted
    ]


def test_what_a_person_changes_by_another_request_is_not_in_the_tables() -> None:
    assert not [
        (name, path)
        for name, entry in ENTRIES.items()
        for part in (entry, *entry.get("names", {}).values())
        if without_exceptions(name, part["read_only"]) != part["read_only"]
        for path in part["read_only"]
    ]
