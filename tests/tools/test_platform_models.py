from __future__ import annotations

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
    resource_model,
)
from tools.platform_paths.package import read_package
from tools.platform_paths.wheels import Sources

SHOP = RESOURCE + "Microsoft.Shop/shops/{accountName}"
TYPE = "Microsoft.Shop/shops"


def test_a_property_is_read_only_where_its_visibility_has_read_alone() -> None:
    models = model("Facts", ("size", "Optional[int]", WRITE), ("state", "Optional[str]", READ))
    shop = package(models + resource_model("Shop", "Facts"), crud(SHOP, "Shop", "Shop"))
    assert entry(TYPE, shop) == {"package": "azure-mgmt-shop 1.0.0", "read_only": ["properties.state"]}


def test_lists_dictionaries_and_nested_models_are_followed() -> None:
    models = (
        model("Leaf", ("seenAt", "Optional[datetime.datetime]", READ), ("text", "Optional[str]", WRITE))
        + model(
            "Facts",
            ("rows", 'Optional[list["_models.Leaf"]]', WRITE),
            ("byName", 'Optional[dict[str, "_models.Leaf"]]', WRITE),
            ("grid", 'Optional[List[List["_models.Leaf"]]]', WRITE),
            ("one", 'Optional["_models.Leaf"]', WRITE),
            ("odd.name", 'Optional["_models.Leaf"]', WRITE),
            ("all", 'Optional["_models.Leaf"]', READ),
        )
        + resource_model("Shop", "Facts")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == [
        "properties.all",
        "properties.byName.*.seenAt",
        "properties.grid[*][*].seenAt",
        "properties.one.seenAt",
        "properties.rows[*].seenAt",
        "properties['odd.name'].seenAt",
    ]


def test_what_a_base_class_says_counts_unless_the_class_says_otherwise() -> None:
    models = (
        model("Base", ("state", "Optional[str]", READ), ("size", "Optional[int]", READ))
        + model("Facts", ("size", "Optional[int]", WRITE), base="Base")
        + resource_model("Shop", "Facts")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == ["properties.state"]


def test_a_class_named_like_the_base_of_the_library_is_not_taken_for_it() -> None:
    models = (
        "from .._serialization import Model as _Model\n"
        + model("Model", ("state", "Optional[str]", READ))
        + model("Facts", ("model", 'Optional["_models.Model"]', WRITE))
        + resource_model("Shop", "Facts")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == ["properties.model.state"]


def test_a_path_that_one_subtype_lets_be_written_is_writable() -> None:
    models = (
        model("Rule", ("kind", "str", WRITE), inside="__mapping__: dict[str, _Model] = {}")
        + model(
            "Fixed", ("text", "Optional[str]", READ), ("since", "Optional[str]", READ), base='Rule, discriminator="F"'
        )
        + model("Own", ("text", "Optional[str]", WRITE), base='Rule, discriminator="O"')
        + model("Facts", ("rules", 'Optional[list["_models.Rule"]]', WRITE))
        + resource_model("Shop", "Facts")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == ["properties.rules[*].since"]


def test_a_model_that_holds_itself_ends() -> None:
    models = (
        model("Tree", ("trees", 'Optional[list["_models.Tree"]]', WRITE), ("depth", "Optional[int]", READ))
        + model("Facts", ("tree", 'Optional["_models.Tree"]', WRITE))
        + resource_model("Shop", "Facts")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "Shop")))["read_only"] == ["properties.tree.depth"]


def test_a_value_that_is_not_described_is_writable() -> None:
    models = (
        model("Facts", ("settings", "Optional[Any]", WRITE), ("other", 'Optional["_models.Unknown"]', WRITE))
        + model("Sent", ("settings", "Optional[Any]", WRITE), ("other", "Optional[Any]", WRITE))
        + resource_model("Shop", "Facts")
        + resource_model("ShopSent", "Sent")
    )
    assert entry(TYPE, package(models, crud(SHOP, "Shop", "ShopSent")))["read_only"] == []


MSREST = """
class Model(object):
    pass

class Shop(Model):
    '''
    :ivar kind: The kind.
    :vartype kind: str or ~azure.mgmt.shop.models.Kind
    '''
    _validation = {
        "id": {"readonly": True},
        "location": {"required": True},
        "state": {"readonly": True},
        "seen_at": {"readonly": True},
    }
    _attribute_map = {
        "id": {"key": "id", "type": "str"},
        "location": {"key": "location", "type": "str"},
        "state": {"key": "properties.state", "type": "str"},
        "seen_at": {"key": "properties.access.seenAt", "type": "iso-8601"},
        "from_whom": {"key": "properties.access.fromWhom", "type": "str"},
        "version": {"key": "properties.facts\\\\.version", "type": "str"},
        "rules": {"key": "properties.rules", "type": "[Rule]"},
        "labels": {"key": "properties.labels", "type": "{Rule}"},
        "settings": {"key": "properties.settings", "type": "object"},
    }

class Rule(Model):
    _attribute_map = {"kind": {"key": "kind", "type": "str"}}
    _subtype_map = {"kind": {"Timed": "TimedRule"}}

class TimedRule(Rule):
    _validation = {"last_run": {"readonly": True}}
    _attribute_map = {"kind": {"key": "kind", "type": "str"}, "last_run": {"key": "lastRun", "type": "iso-8601"}}
"""


def test_the_older_style_flattens_with_dots_and_marks_in_validation() -> None:
    files = {
        "azure/mgmt/shop/models/_models_py3.py": MSREST,
        "azure/mgmt/shop/operations/_shops_operations.py": _MSREST_OPERATIONS,
    }
    shop = read_package(Sources("azure-mgmt-shop", "1.0.0", files))
    assert shop.style == "msrest"
    assert entry(TYPE, shop)["read_only"] == [
        "properties.access.seenAt",
        "properties.labels.*.lastRun",
        "properties.rules[*].lastRun",
        "properties.state",
    ]
    names = shop.folders[0].models.models["Shop.properties"].properties
    assert "facts.version" in names


_MSREST_OPERATIONS = f'''
def build_get_request(**kwargs):
    api_version = kwargs.pop("api_version", "2020-01-01")
    _url = kwargs.pop("template_url", "{SHOP}")
    return HttpRequest(method="GET", url=_url)

def build_create_request(**kwargs):
    api_version = kwargs.pop("api_version", "2020-01-01")
    _url = kwargs.pop("template_url", "{SHOP}")
    return HttpRequest(method="PUT", url=_url)

class ShopsOperations(object):
    def get(self, name, **kwargs):
        _request = build_get_request()
        deserialized = self._deserialize("Shop", pipeline_response)

    def _create_initial(self, name, parameters, **kwargs):
        _json = self._serialize.body(parameters, "Shop")
        _request = build_create_request()

    def begin_create(self, name, parameters, **kwargs):
        raw_result = self._create_initial(name)
        deserialized = self._deserialize("Shop", pipeline_response)
'''


def test_a_write_only_text_with_a_telling_name_is_a_secret_and_other_write_only_values_are_not() -> None:
    models = (
        model(
            "Facts",
            ("adminPassword", "Optional[str]", CREATE),
            ("forceUpdateTag", "Optional[str]", CREATE),
            ("createMode", 'Optional[Union[str, "_models.Mode"]]', CREATE),
            ("sourceId", "Optional[str]", CREATE),
            ("secretUri", "Optional[str]", CREATE),
            ("customData", "Optional[bytes]", CREATE),
            ("passwordLength", "Optional[int]", CREATE),
            ("headersSecret", "Optional[dict[str, str]]", CREATE),
            ("login", 'Optional["_models.Login"]', CREATE),
        )
        + model("Login", ("accessKey", "Optional[str]", WRITE), ("userName", "Optional[str]", WRITE))
        + resource_model("Shop", "Facts")
    )
    shop = package(models, crud(SHOP, "Shop", "Shop"), enums="class Mode(str, Enum):\n    A = 'a'\n")
    assert entry(TYPE, shop)["secret"] == [
        "properties.adminPassword",
        "properties.customData",
        "properties.headersSecret.*",
        "properties.login.accessKey",
    ]


def test_a_text_that_its_model_seals_is_a_secret_wherever_it_stands() -> None:
    models = (
        model("SecretBase", ("type", "str", WRITE), inside="__mapping__: dict[str, _Model] = {}")
        + model("Link", ("kind", "str", WRITE), inside="__mapping__: dict[str, _Model] = {}")
        + model("Sealed", ("password", 'Optional["_models.SecretBase"]', WRITE))
        + model("Server", ("typeProperties", '"_models.Sealed"', WRITE), base='Link, discriminator="S"')
        + model("Other", ("typeProperties", "Any", WRITE), base='Link, discriminator="O"')
        + resource_model("Shop", "Link")
    )
    shop = package(models, crud(SHOP, "Shop", "Shop"))
    assert entry(TYPE, shop)["secret"] == ["properties.typeProperties.password.value"]


@pytest.mark.parametrize(
    ("models", "cause"),
    [
        ("class Shop(_Model):\n    size: int = rest_field(\n", "SyntaxError"),
        ("class Shop:\n    size = 1\n", "neither TypeSpec nor msrest"),
        ("class Shop(Model):\n    _attribute_map = {'size': {'key': 'size'}}\n", "KeyError"),
        ("class Shop(Model):\n    _attribute_map = [1]\n", "no dictionary"),
        (
            "class A(B):\n    _attribute_map = {}\n\nclass B(A):\n    _attribute_map = {}\n",
            "RecursionError",
        ),
    ],
)
def test_models_that_are_not_understood_are_an_error_that_names_the_package_and_the_folder(
    models: str, cause: str
) -> None:
    files = {"azure/mgmt/shop/models/_models.py": models}
    with pytest.raises(ValueError, match=f"azure-mgmt-shop 1.0.0: the models of azure/mgmt/shop.*{cause}"):
        read_package(Sources("azure-mgmt-shop", "1.0.0", files))


@pytest.mark.parametrize("operations", ["def (", "class Shops:\n    def get(self): ...\n    get.metadata = {}\n"])
def test_operations_that_are_not_understood_are_an_error_that_names_the_file(operations: str) -> None:
    models = model("Facts", ("size", "Optional[int]", WRITE))
    with pytest.raises(ValueError, match=r"azure-mgmt-shop 1\.0\.0: azure/mgmt/shop/operations/_operations\.py: not"):
        package(models, operations)
