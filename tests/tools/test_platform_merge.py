"""How PUT, PATCH, GET, api-versions and packages are brought together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.small_packages import (
    CREATE,
    READ,
    RESOURCE,
    WRITE,
    crud,
    entry,
    model,
    package,
    request,
    resource_model,
    table,
)
from tools.platform_paths import exceptions
from tools.platform_paths.schema import Package

SHOP = RESOURCE + "Microsoft.Shop/shops/{accountName}"
TYPE = "Microsoft.Shop/shops"


def shown_and_sent(shown: tuple[tuple[str, str, str], ...], sent: tuple[tuple[str, str, str], ...]) -> str:
    return (
        model("Shown", *shown)
        + model("Sent", *sent)
        + resource_model("Shop", "Shown")
        + resource_model("ShopSent", "Sent")
    )


def test_what_a_get_shows_and_a_put_cannot_send_is_read_only() -> None:
    models = shown_and_sent((("size", "int", WRITE), ("state", "str", WRITE)), (("size", "int", WRITE),))
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "ShopSent")))["read_only"] == ["properties.state"]


def test_what_a_get_marks_and_a_put_sends_is_writable() -> None:
    models = shown_and_sent((("size", "int", READ),), (("size", "int", WRITE),))
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "ShopSent")))["read_only"] == []


def test_what_a_patch_can_send_is_writable() -> None:
    models = shown_and_sent((("size", "int", WRITE), ("state", "str", WRITE)), (("size", "int", WRITE),))
    models += model("Change", ("state", "str", WRITE)) + resource_model("ShopChange", "Change")
    operations = crud(SHOP, "Shop", "ShopSent") + request("patch", "PATCH", SHOP, body="ShopChange")
    assert entry(TYPE, package(models, operations))["read_only"] == []


def test_a_patch_without_properties_sends_what_a_get_shows_under_properties() -> None:
    models = shown_and_sent((("size", "int", WRITE), ("state", "str", WRITE)), (("size", "int", WRITE),))
    models += model("Change", ("state", "str", WRITE))
    operations = crud(SHOP, "Shop", "ShopSent") + request("patch", "PATCH", SHOP, body="Change")
    assert entry(TYPE, package(models, operations))["read_only"] == []


def test_what_may_be_sent_under_another_name_is_writable() -> None:
    models = shown_and_sent(
        (("details", 'Optional["_models.Sent"]', WRITE), ("count", "int", WRITE)),
        (("input", 'Optional["_models.Shown"]', WRITE),),
    )
    found = table(package(models, crud(SHOP, "Shop", "ShopSent")))
    assert found.files["Microsoft.Shop"][TYPE]["read_only"] == ["properties.count"]
    assert found.in_doubt == [f"{TYPE} properties.details"]


def test_what_may_be_sent_under_another_name_at_the_top_is_writable_and_properties_are_entered_all_the_same() -> None:
    models = (
        model("Shown", ("id", "str", READ), ("Label", "str", WRITE), ("properties", '"_models.Facts"', WRITE))
        + model("Sent", ("Title", "str", CREATE), ("settings", '"_models.Facts"', CREATE))
        + model("Facts", ("state", "Optional[str]", READ))
    )
    found = table(package(models, crud(SHOP, "Shown", "Sent")))
    assert found.files["Microsoft.Shop"][TYPE]["read_only"] == ["properties.state"]
    assert found.in_doubt == [f"{TYPE} Label"]


def test_of_a_type_that_can_only_be_read_everything_is_written_by_the_platform() -> None:
    models = shown_and_sent((("size", "int", WRITE), ("state", "str", READ)), ()) + model(
        "Answer", ("value", "Optional[int]", READ)
    )
    operations = request("get", "GET", SHOP, answer="Shop") + request(
        "other", "GET", RESOURCE + "Microsoft.Shop/answers/{name}", answer="Answer"
    )
    found = table(package(models, operations)).files["Microsoft.Shop"]
    assert found == {TYPE: {"package": "azure-mgmt-shop 1.0.0", "read_only": ["properties.size", "properties.state"]}}


def test_a_child_that_is_written_with_its_parent_goes_by_its_own_marks() -> None:
    models = (
        model("ItemFacts", ("size", "int", WRITE), ("state", "str", READ))
        + resource_model("Item", "ItemFacts")
        + model("Facts", ("items", 'Optional[list["_models.Item"]]', WRITE))
        + resource_model("Shop", "Facts")
    )
    operations = crud(SHOP, "Shop", "Shop") + request("item", "GET", SHOP + "/items/{item}", answer="Item")
    shop = package(models, operations)
    assert entry(f"{TYPE}/items", shop)["read_only"] == ["properties.state"]
    assert entry(TYPE, shop)["read_only"] == ["properties.items[*].properties.state"]


def test_an_embedded_resource_of_another_type_is_a_reference() -> None:
    models = (
        model("ShelfFacts", ("shop", 'Optional["_models.Shop"]', WRITE), ("state", "str", READ))
        + resource_model("Shelf", "ShelfFacts")
        + model("Facts", ("shelf", 'Optional["_models.Shelf"]', WRITE))
        + resource_model("Shop", "Facts")
    )
    shelves = crud(RESOURCE + "Microsoft.Shop/shelves/{name}", "Shelf", "Shelf")
    shop = package(models, crud(SHOP, "Shop", "Shop") + shelves)
    assert entry(TYPE, shop)["read_only"] == []
    assert entry("Microsoft.Shop/shelves", shop)["read_only"] == ["properties.state"]


def test_what_arm_writes_everywhere_is_left_to_its_own_rules() -> None:
    facts = (("provisioningState", "str", READ), ("id", "str", READ), ("name", "str", READ), ("etag", "str", READ))
    members = (
        ("systemData", "Any", READ),
        ("tags", "Any", READ),
        ("type", "str", READ),
        ("location", "str", READ),
        ("etag", "str", READ),
        ("kind", "str", READ),
        ("properties", '"_models.Facts"', WRITE),
    )
    models = model("Facts", *facts, ("type", "str", READ)) + model("Shop", *members)
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == ["kind", "properties.type"]


def test_what_azure_writes_of_an_identity_is_read_only_whatever_a_model_says() -> None:
    one = (("principalId", "str", WRITE), ("clientId", "str", WRITE), ("type", "str", WRITE))
    models = (
        model("One", *one)
        + model("Identity", *one, ("userAssignedIdentities", 'Optional[dict[str, "_models.One"]]', WRITE))
        + model("Shop", ("id", "str", READ), ("identity", 'Optional["_models.Identity"]', WRITE))
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == [
        "identity.principalId",
        "identity.userAssignedIdentities.*.clientId",
        "identity.userAssignedIdentities.*.principalId",
    ]


def test_names_in_the_url_with_forms_of_their_own_have_their_own_entries() -> None:
    models = shown_and_sent((("size", "int", READ),), (("size", "int", WRITE),))
    config = SHOP + "/config/"
    different = crud(config + "web", "Shop", "Shop") + crud(config + "logs", "ShopSent", "ShopSent")
    assert entry(f"{TYPE}/config", package(models, different)) == {
        "package": "azure-mgmt-shop 1.0.0",
        "read_only": [],
        "names": {"logs": {"read_only": []}, "web": {"read_only": ["properties.size"]}},
    }
    one = crud(config + "default", "Shop", "Shop")
    assert entry(f"{TYPE}/config", package(models, one))["read_only"] == ["properties.size"]


def test_types_that_differ_in_letter_case_only_are_one_in_the_spelling_used_most() -> None:
    models = shown_and_sent((("size", "int", READ),), (("size", "int", WRITE),))
    items = request("odd", "GET", SHOP.replace("Microsoft.Shop/shops", "microsoft.shop/Shops"), answer="Shop")
    found = table(package(models, crud(SHOP, "Shop", "ShopSent") + items)).files
    assert list(found) == ["Microsoft.Shop"]
    assert list(found["Microsoft.Shop"]) == [TYPE]


def of_version(version: str, visibility: str, name: str = "azure-mgmt-shop") -> Package:
    models = model("Facts", ("size", "int", visibility), ("state", "str", READ), ("since", "str", READ))
    folder = f"v{version.replace('-', '_')}"
    return package(
        models + resource_model("Shop", "Facts"),
        crud(SHOP, "Shop", "Shop", version),
        name=name,
        version=version,
        folder=folder,
    )


def test_the_newest_stable_api_version_counts_and_a_preview_where_there_is_none() -> None:
    old, new, preview = (
        of_version("2020-01-01", READ),
        of_version("2023-01-01", READ),
        of_version("2024-01-01-preview", READ),
    )
    assert entry(TYPE, preview, new, old)["package"] == "azure-mgmt-shop 2023-01-01"
    assert entry(TYPE, preview)["package"] == "azure-mgmt-shop 2024-01-01-preview"


def test_what_any_stable_api_version_lets_be_written_is_writable_and_what_a_preview_lets_is_not() -> None:
    new = of_version("2023-01-01", READ)
    assert "properties.size" not in entry(TYPE, new, of_version("2020-01-01", WRITE))["read_only"]
    assert "properties.size" in entry(TYPE, new, of_version("2024-01-01-preview", WRITE))["read_only"]


def test_a_version_that_can_be_written_counts_before_a_newer_one_that_cannot() -> None:
    models = model("Facts", ("size", "int", WRITE)) + resource_model("Shop", "Facts")
    newer = package(models, request("get", "GET", SHOP, answer="Shop", version="2025-01-01"), name="azure-mgmt-view")
    assert entry(TYPE, of_version("2020-01-01", WRITE), newer)["read_only"] == ["properties.since", "properties.state"]


def test_a_path_that_a_person_changes_by_another_request_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exceptions, "CHANGED_OTHERWISE", {(TYPE, "properties.state"): "POST setState"})
    assert entry(TYPE, of_version("2023-01-01", WRITE))["read_only"] == ["properties.since"]


@pytest.mark.parametrize(
    ("row", "left"),
    [
        ((TYPE, "properties.link.digest"), ["properties.link.url", "properties.since"]),
        ((TYPE, "properties.link"), ["properties.since"]),
        ((TYPE, "**.since"), ["properties.link"]),
        (("Microsoft.Sh*/SHOPS", "**"), []),
        (("Microsoft.Other/*", "**"), ["properties.link", "properties.since"]),
    ],
)
def test_a_row_leaves_out_its_path_and_what_is_below_and_keeps_what_stands_beside_it(
    monkeypatch: pytest.MonkeyPatch, row: tuple[str, str], left: list[str]
) -> None:
    monkeypatch.setattr(exceptions, "CHANGED_OTHERWISE", {row: "PUT of the content"})
    models = (
        model("Link", ("digest", "Optional[str]", READ), ("url", "Optional[str]", READ))
        + model("Facts", ("link", 'Optional["_models.Link"]', READ), ("since", "Optional[str]", READ))
        + resource_model("Shop", "Facts")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == left


@pytest.mark.parametrize(
    "wrong",
    ["- {by: POST, paths: {}}", "- {paths: {A/b: [c]}}", "- {by: POST, paths: {A/b: [c, c]}}", "- text"],
)
def test_an_entry_of_the_exceptions_that_is_none_is_an_error(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "rows.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows\.yaml"):
        exceptions.read_exceptions(tmp_path / "rows.yaml")


def test_an_exception_that_leaves_nothing_out_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exceptions, "CHANGED_OTHERWISE", {(TYPE, "properties.gone"): "POST setGone"})
    with pytest.raises(ValueError, match=r"Microsoft\.Shop/shops properties\.gone"):
        table(of_version("2023-01-01", WRITE))


def test_a_package_without_types_adds_nothing() -> None:
    shop = of_version("2023-01-01", CREATE)
    assert table(shop, replace(shop, folders=[])).files == table(shop).files
