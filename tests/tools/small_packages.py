"""Small SDK packages in each style, written for the tests of tools/platform_paths."""

from __future__ import annotations

from tools.platform_paths.package import read_package
from tools.platform_paths.resources import Resources, uses_of
from tools.platform_paths.schema import Package
from tools.platform_paths.table import Entry, Table, table_of
from tools.platform_paths.wheels import Sources

RESOURCE = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/"
MODEL = "from .._utils.model_base import Model as _Model, rest_discriminator, rest_field\n"
READ, WRITE, CREATE = '["read"]', '["read", "create", "update", "delete", "query"]', '["create", "update"]'


def model(name: str, *properties: tuple[str, str, str], base: str = "_Model", inside: str = "") -> str:
    """A TypeSpec model; each property: name in JSON, annotation, visibility."""
    lines = [f"class {name}({base}):", *([f"    {inside}"] if inside else []), "    '''A model.'''"]
    for number, (wire, annotation, visibility) in enumerate(properties):
        lines.append(f'    field_{number}: {annotation} = rest_field(name="{wire}", visibility={visibility})')
    return "\n".join(lines) + "\n\n"


def resource_model(name: str, properties: str, base: str = "_Model") -> str:
    """A TypeSpec model of a resource whose `properties` are another model."""
    members = (("id", "Optional[str]", READ), ("name", "Optional[str]", READ), ("location", "str", WRITE))
    return model(name, *members, ("properties", f'Optional["_models.{properties}"]', WRITE), base=base)


def request(name: str, verb: str, url: str, *, body: str = "", answer: str = "", version: str = "2024-01-01") -> str:
    """The builder of one request, and the class with the method that uses it."""
    parameter = f", parameters: Union[_models.{body}, JSON, IO[bytes]]" if body else ""
    send = "        _content = json.dumps(parameters, cls=SdkJSONEncoder)\n" if body else ""
    read = f"        deserialized = _deserialize(_models.{answer}, response.json())\n" if answer else ""
    return f'''
def build_{name}_request(**kwargs: Any) -> HttpRequest:
    api_version: str = kwargs.pop("api_version", "{version}")
    accept = _headers.pop("Accept", "application/json")
    _url = "{url}"
    return HttpRequest(method="{verb}", url=_url, **kwargs)


class Operations{name}:
    def {name}(self, account_name: str{parameter}, **kwargs: Any):
{send}        _request = build_{name}_request(account_name=account_name)
{read}        return None
'''


def crud(url: str, shown: str, sent: str, version: str = "2024-01-01") -> str:
    """A GET and a PUT of one URL."""
    name = "".join(char for char in url + version if char.isalnum())
    get = request(f"get{name}", "GET", url, answer=shown, version=version)
    return get + request(f"put{name}", "PUT", url, body=sent, answer=shown, version=version)


def package(
    models: str,
    operations: str,
    *,
    name: str = "azure-mgmt-shop",
    version: str = "1.0.0",
    folder: str = "",
    enums: str = "",
) -> Package:
    """A package of one folder."""
    root = f"azure/mgmt/shop/{folder}".rstrip("/")
    files = {
        f"{root}/models/_models.py": MODEL + models,
        f"{root}/models/_enums.py": enums,
        f"{root}/operations/_operations.py": operations,
    }
    return read_package(Sources(name, version, files))


def table(*packages: Package) -> Table:
    """The table of these packages."""
    return table_of(Resources(uses_of(packages)))


def entry(resource_type: str, *packages: Package) -> Entry:
    """What the table of these packages says of one type."""
    return table(*packages).files[resource_type.partition("/")[0]][resource_type]
