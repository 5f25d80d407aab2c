"""Addresses and connection strings: what is taken, and that nothing of a secret is ever told."""

from __future__ import annotations

import pytest

from driftguard.adapters.stores.azure_address import Place, account_named, place_of
from driftguard.errors import BadConfiguration

KEY = "Q0FOQVJZQ0FOQVJZQ0FOQVJZ"  # base64
GOOD = f"DefaultEndpointsProtocol=https;AccountName=stshop;AccountKey={KEY};EndpointSuffix=core.windows.net"


def place(address: str = "azure://stshop", cloud: str = "public", connection: str | None = None) -> Place:
    return place_of(address, cloud=cloud, connection=connection)


def test_an_account_alone_has_the_default_name() -> None:
    assert (place().address, place().name) == ("azure://stshop/driftguard", "driftguard")
    assert place("azure://stshop/guard2/").address == "azure://stshop/guard2"
    assert place().signed_in and not place(connection=GOOD).signed_in


@pytest.mark.parametrize(
    ("cloud", "table", "table_audience", "blob", "blob_audience"),
    [
        (
            "public",
            "https://stshop.table.core.windows.net",
            "https://storage.azure.com",
            "https://stshop.blob.core.windows.net",
            "https://storage.azure.com",
        ),
        (
            "usgov",
            "https://stshop.table.core.usgovcloudapi.net",
            "https://storage.azure.us",
            "https://stshop.blob.core.usgovcloudapi.net",
            "https://stshop.blob.core.usgovcloudapi.net",
        ),
        (
            "china",
            "https://stshop.table.core.chinacloudapi.cn",
            "https://storage.azure.cn",
            "https://stshop.blob.core.chinacloudapi.cn",
            "https://stshop.blob.core.chinacloudapi.cn",
        ),
    ],
)
def test_each_cloud_has_its_own_addresses_and_audiences(
    cloud: str, table: str, table_audience: str, blob: str, blob_audience: str
) -> None:
    found = place(cloud=cloud)
    assert (found.table.endpoint, found.table.audience) == (table, table_audience)
    assert (found.blob.endpoint, found.blob.audience) == (blob, blob_audience)


@pytest.mark.parametrize(
    "address",
    [
        "azure://",
        "azure://ab",
        "azure://Stshop",
        "azure://stshop/x",
        "azure://stshop/1guard",
        "azure://stshop/Guard",
        "azure://stshop/a-b-c",
        "azure://stshop/guard/more",
        "azure://stshop/guard?x",
        "azure://user:CANARY@stshop/guard",
        "azure://stshop.blob.core.windows.net/guard",
        "azure://stshop/guard\n",
        "azure://stshop/tables",
        "https://stshop",
        f"azure://stshop/{'x' * 42}",
    ],
)
def test_what_is_no_address_is_bad_configuration(address: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        place(address)
    assert caught.value.remedy
    assert "CANARY" not in str(caught.value)


def test_a_connection_string_says_where_the_services_are() -> None:
    emulator = (
        f"AccountName=stshop;AccountKey={KEY};"
        "BlobEndpoint=http://127.0.0.1:10000/stshop/;TableEndpoint=http://[::1]:10002/stshop;"
    )
    found = place(connection=emulator)
    assert found.blob.endpoint == "http://127.0.0.1:10000/stshop"
    assert found.table.endpoint == "http://[::1]:10002/stshop"
    assert found.on_this_machine and not place(connection=GOOD).on_this_machine
    assert place(connection=GOOD).table.endpoint == "https://stshop.table.core.windows.net"
    sovereign = GOOD.replace("core.windows.net", "core.chinacloudapi.cn")
    assert place(connection=sovereign).blob.endpoint == "https://stshop.blob.core.chinacloudapi.cn"


def test_a_signature_lets_in_as_well_as_a_key() -> None:
    found = place(connection="accountname=STSHOP;SharedAccessSignature=?sv=2024&sig=CANARY%3D")
    assert (found.key, found.sas) == (None, "sv=2024&sig=CANARY%3D")
    assert place(connection=GOOD).key == KEY
    assert "CANARY" not in repr(found) and KEY not in repr(place(connection=GOOD))


@pytest.mark.parametrize(
    "connection",
    [
        "",
        "CANARY",
        "CANARY=",
        f"AccountKey={KEY}",
        f"AccountName=other;AccountKey={KEY}",
        "AccountName=stshop",
        "AccountName=stshop;AccountKey=CANARY!",
        f"AccountName=stshop;AccountKey={KEY};TableEndpoint=http://CANARY.example/",
        f"AccountName=stshop;AccountKey={KEY};TableEndpoint=https://user:CANARY@example/",
        f"AccountName=stshop;AccountKey={KEY};TableEndpoint=https://example/?sig=CANARY",
        f"AccountName=stshop;AccountKey={KEY};BlobEndpoint=ftp://CANARY",
        f"AccountName=stshop;AccountKey={KEY};BlobEndpoint=https://[CANARY",
        f"AccountName=stshop;AccountKey={KEY};BlobEndpoint=https://example:CANARY",
        f"DefaultEndpointsProtocol=http;AccountName=stshop;AccountKey={KEY}",
        "UseDevelopmentStorage=true",
    ],
)
def test_a_connection_string_that_is_wrong_is_bad_configuration_with_nothing_of_it(connection: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        place(connection=connection)
    assert caught.value.remedy
    told = repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    assert "CANARY" not in told and KEY not in told


@pytest.mark.parametrize(
    "endpoints",
    [
        "TableEndpoint=https://other.table.core.windows.net",
        "BlobEndpoint=https://other.blob.core.windows.net",
        "TableEndpoint=https://other.table.core.windows.net;BlobEndpoint=https://other.blob.core.windows.net",
        "TableEndpoint=https://CANARY.example/stshop;BlobEndpoint=https://CANARY.example/stshop",
        "TableEndpoint=https://stshop2.table.core.windows.net",
        "TableEndpoint=https://x.stshop.table.core.windows.net",
        "TableEndpoint=https://10.0.0.1/stshop;BlobEndpoint=https://10.0.0.1/stshop",
        "TableEndpoint=https://stshop.table.CANARY.example",
        "TableEndpoint=https://stshop.blob.core.windows.net",
        "TableEndpoint=http://127.0.0.1:10002/stshop",
        "BlobEndpoint=http://127.0.0.1:10000/stshop",
    ],
)
@pytest.mark.parametrize("secret", [f"AccountKey={KEY}", "SharedAccessSignature=sv=1&sig=CANARY"])
def test_endpoints_of_another_account_or_of_two_places_open_no_store(endpoints: str, secret: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        place(connection=f"AccountName=stshop;{secret};{endpoints}")
    assert "CANARY" not in str(caught.value) and "other" not in caught.value.remedy


@pytest.mark.parametrize(
    ("table", "blob"),
    [
        ("https://stshop.table.core.windows.net/", "https://stshop.blob.core.windows.net/"),
        ("https://stshop.privatelink.table.core.windows.net", "https://stshop.privatelink.blob.core.windows.net"),
        ("https://stshop.z01.table.storage.azure.net", "https://stshop.z01.blob.storage.azure.net"),
        ("https://StShop.table.core.windows.net:443", "https://stshop.blob.core.windows.net"),
        ("http://localhost:10002/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1"),
    ],
)
def test_endpoints_of_the_account_itself_are_taken_wherever_they_are(table: str, blob: str) -> None:
    found = place(connection=f"AccountName=stshop;AccountKey={KEY};TableEndpoint={table};BlobEndpoint={blob}")
    assert (found.table.endpoint, found.blob.endpoint) == (table.rstrip("/"), blob.rstrip("/"))


def test_the_account_of_a_connection_string_is_read_as_the_address_reads_it() -> None:
    assert account_named(f" AccountName = StShop ;AccountKey={KEY}") == "stshop"
    assert account_named(f"AccountKey={KEY}") is None
    with pytest.raises(BadConfiguration) as caught:
        account_named("CANARY")
    assert "CANARY" not in str(caught.value)


def test_an_unknown_cloud_is_bad_configuration() -> None:
    with pytest.raises(BadConfiguration):
        place(cloud="moon")
