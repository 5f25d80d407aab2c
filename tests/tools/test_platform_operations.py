from __future__ import annotations

import pytest

from tests.tools.small_packages import (
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
from tools.platform_paths.package import read_package
from tools.platform_paths.urls import Target, targets
from tools.platform_paths.wheels import Sources

SHOP = RESOURCE + "Microsoft.Shop/shops/{accountName}"
TYPE = "Microsoft.Shop/shops"
FACTS = model("Facts", ("size", "Optional[int]", WRITE), ("state", "Optional[str]", READ))
SHOP_MODELS = FACTS + resource_model("Shop", "Facts")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (SHOP, Target(TYPE)),
        (SHOP + "/", Target(TYPE)),
        (SHOP + "/items/{item}", Target(TYPE + "/items")),
        (SHOP + "/items", Target(TYPE, action="items")),
        (SHOP + "/services/default", Target(TYPE + "/services", "default")),
        (SHOP + "/services/default/boxes/{box}", Target(TYPE + "/services/boxes")),
        ("/{scope}/providers/Microsoft.Rights/grants/{id}", Target("Microsoft.Rights/grants")),
        (SHOP + "/providers/Microsoft.Rights/grants/{id}", Target("Microsoft.Rights/grants")),
        ("/subscriptions/{id}/resourcegroups/{name}", Target("Microsoft.Resources/resourceGroups")),
        ("/subscriptions/{id}", Target("Microsoft.Resources/subscriptions")),
    ],
)
def test_a_url_names_its_type_by_the_text_after_the_last_providers(url: str, target: Target) -> None:
    assert list(targets(url, {})) == [target]


def test_a_url_without_a_provider_or_with_an_unknown_one_names_no_type() -> None:
    assert not list(targets("/{resourceId}", {}))
    assert not list(targets("/subscriptions/{id}/providers/{namespace}/things/{name}", {}))
    assert not list(targets(RESOURCE + "Microsoft.Shop", {}))


def test_a_parameter_in_the_place_of_a_type_stands_for_each_value_of_its_enum() -> None:
    url = RESOURCE + "Microsoft.Shop/zones/{zone}/{recordType}/{name}"
    found = [target.resource_type for target in targets(url, {"recordType": ("A", "TXT")})]
    assert found == ["Microsoft.Shop/zones/A", "Microsoft.Shop/zones/TXT"]
    assert not list(targets(url, {}))


def test_the_enum_of_a_url_parameter_is_found_by_the_annotation_of_its_variable() -> None:
    url = RESOURCE + "Microsoft.Shop/zones/{zone}/{recordType}/{name}"
    operations = crud(url, "Shop", "Shop").replace(
        "(**kwargs: Any) -> HttpRequest:",
        "(record_type: Union[str, _models.RecordType], **kwargs: Any) -> HttpRequest:\n    "
        'path = {"recordType": _SERIALIZER.url("record_type", record_type, "str")}',
    )
    zone = package(SHOP_MODELS, operations, enums="class RecordType(str, Enum):\n    A = 'A'\n    TXT = 'TXT'\n")
    assert sorted(table(zone).files["Microsoft.Shop"]) == ["Microsoft.Shop/zones/A", "Microsoft.Shop/zones/TXT"]


def test_an_enum_in_the_path_is_not_taken_for_a_body() -> None:
    put = request("put", "PUT", SHOP, body="Shop").replace(
        "account_name: str", "account_name: Union[str, _models.Kind]"
    )
    get = request("get", "GET", SHOP, answer="Shop")
    shop = package(SHOP_MODELS, get + put, enums="class Kind(str, Enum):\n    A = 'a'\n")
    assert entry(TYPE, shop)["read_only"] == ["properties.state"]


def test_the_body_of_a_long_running_put_is_found_beside_overloads() -> None:
    put = request("x", "PUT", SHOP, body="Shop").replace("def x(", "def _x_initial(").replace("class Operationsx:", "")
    operations = put.replace(
        "    def _x_initial",
        """class OperationsX:
    @overload
    def begin_x(self, parameters: JSON): ...

    def begin_x(self, parameters):
        raw = self._x_initial(parameters)
        _deserialize(_models.Shop, response.json())

    def _x_initial""",
    )
    shop = package(SHOP_MODELS, request("get", "GET", SHOP, answer="Shop") + operations)
    put_found = [item for item in shop.folders[0].operations if item.verb == "PUT"]
    assert [(item.body, item.result) for item in put_found] == [(put_found[0].body, put_found[0].body)]
    assert put_found[0].body is not None and put_found[0].body.models == ("Shop",)


def test_a_put_whose_body_is_not_described_leaves_everything_writable() -> None:
    put = request("put", "PUT", SHOP, body="Shop").replace(
        "Union[_models.Shop, JSON, IO[bytes]]", "Union[JSON, IO[bytes]]"
    )
    shop = package(SHOP_MODELS, request("get", "GET", SHOP, answer="Shop") + put)
    assert entry(TYPE, shop)["read_only"] == []


@pytest.mark.parametrize("owner", ["_put_initial", "put"])
@pytest.mark.parametrize("models_file", ["_models_py3.py", "shop.py"])
def test_the_oldest_style_has_its_url_in_the_metadata_of_the_method_or_of_its_caller(
    owner: str, models_file: str
) -> None:
    operations = f"""
class ShopsOperations(object):
    def get(self, name, **kwargs):
        api_version = "2019-06-01"
        url = self.get.metadata['url']
        request = self._client.get(url, query_parameters, header_parameters)
        deserialized = self._deserialize('Shop', pipeline_response)
        return deserialized
    get.metadata = {{'url': '{SHOP}'}}

    def _put_initial(self, name, shop, **kwargs):
        url = self.{owner}.metadata['url']
        body_content = self._serialize.body(shop, 'Shop')
        request = self._client.put(url, query_parameters, header_parameters)
    {owner}.metadata = {{'url': '{SHOP}'}}
"""
    models = """
class Shop(msrest.serialization.Model):
    _validation = {'id': {'readonly': True}, 'state': {'readonly': True}}
    _attribute_map = {
        'id': {'key': 'id', 'type': 'str'},
        'state': {'key': 'properties.state', 'type': 'str'},
        'size': {'key': 'properties.size', 'type': 'int'},
    }
"""
    files = {f"azure/mgmt/shop/models/{models_file}": models, "azure/mgmt/shop/operations/_shops.py": operations}
    shop = read_package(Sources("azure-mgmt-shop", "2.0.0", files))
    assert [item.api_version for item in shop.folders[0].operations] == ["2019-06-01", ""]
    assert entry(TYPE, shop)["read_only"] == ["properties.state"]


def test_posts_that_tell_settings_are_named_and_those_that_do_something_else_are_not() -> None:
    told = ("getStatus", "listKeys", "pnsCredentials", "readonlykeys", "sharedKeys")
    not_told = ("restart", "export", "getItems", "getBackendHealthOnDemand", "getBgpPeerStatus", "getProfilePackageUrl")
    posts = "".join(request(f"post{name}", "POST", f"{SHOP}/{name}") for name in (*told, *not_told))
    items = crud(SHOP + "/getItems/{item}", "Shop", "Shop")
    shop = package(SHOP_MODELS, crud(SHOP, "Shop", "Shop") + posts + items)
    assert entry(TYPE, shop)["settings_by_post"] == list(told)
    assert entry(TYPE, shop)["children"] == ["getItems"]


def test_a_post_to_a_name_or_a_list_under_one_is_no_form_of_the_resource() -> None:
    models = SHOP_MODELS + model("Answer", ("value", "Optional[int]", READ))
    check = request("check", "POST", RESOURCE + "Microsoft.Shop/shops/checkName", body="Shop", answer="Answer")
    listed = request("listed", "GET", RESOURCE + "Microsoft.Shop/shops/skus", answer="Answer")
    shop = package(models, crud(SHOP, "Shop", "Shop") + check + listed)
    assert entry(TYPE, shop) == {"package": "azure-mgmt-shop 1.0.0", "read_only": ["properties.state"]}


def test_an_error_that_is_read_out_of_an_answer_is_not_the_answer() -> None:
    get = request("get", "GET", SHOP, answer="Shop").replace(
        "        deserialized",
        "        if response.status_code != 200:\n"
        "            error = _deserialize(_models.Problem, response.json())\n"
        "        deserialized",
    )
    models = SHOP_MODELS + model("Problem", ("error", "Optional[str]", READ))
    shop = package(models, get + request("put", "PUT", SHOP, body="Shop"))
    assert entry(TYPE, shop)["read_only"] == ["properties.state"]
