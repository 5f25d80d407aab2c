"""Addresses of blobs: what they name, the one form of each, and everything that is none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.blob_url import BLOB_HOSTS, is_blob_url, parse_blob_url, url_of
from driftguard.flow.resource import (
    BLOB_TYPE,
    CLOUDS,
    CONTAINER_TYPE,
    clouds_of,
    holder_of,
    is_within,
    key_of,
    kind_of,
    parse_ref,
    scope_key,
    with_parents,
)

ACCOUNT = "https://stshop.blob.core.windows.net"
CONTAINER = f"{ACCOUNT}/config"
BLOB = f"{CONTAINER}/shop/Settings.json"
SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"


def test_a_blob_is_named_by_its_address() -> None:
    ref = parse_ref(BLOB, tenant="t")

    assert (ref.kind, ref.cloud, ref.tenant, ref.type) == ("blob", "public", "t", BLOB_TYPE)
    assert ref.id == ref.key == BLOB
    assert (ref.name, ref.namespace) == ("Settings.json", "Microsoft.Storage")
    assert (ref.subscription, ref.resource_group) == ("", "")


def test_a_container_is_a_scope_that_its_blobs_are_within() -> None:
    container = parse_ref(f"{CONTAINER}/")

    assert (container.id, container.type) == (CONTAINER, CONTAINER_TYPE)
    assert is_within(parse_ref(BLOB).key, container.key)
    assert not is_within(parse_ref(f"{ACCOUNT}/config-2/a").key, container.key)
    assert holder_of(parse_ref(BLOB)) == container
    assert scope_key(parse_ref(BLOB)) == container.key


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("HTTPS://STSHOP.Blob.Core.Windows.NET/Config/A", f"{CONTAINER}/A"),
        (f"{CONTAINER}/a b", f"{CONTAINER}/a%20b"),
        (f"{CONTAINER}/a%20b", f"{CONTAINER}/a%20b"),
        (f"{CONTAINER}/%61%2Fb", f"{CONTAINER}/a/b"),
        (f"{CONTAINER}/m\u00fcll", f"{CONTAINER}/m%C3%BCll"),
        (f"{CONTAINER}/m%c3%bcll", f"{CONTAINER}/m%C3%BCll"),
        (f"{CONTAINER}/100%25", f"{CONTAINER}/100%25"),
        (f"{CONTAINER}/what%3f%23", f"{CONTAINER}/what%3F%23"),
        (f"{CONTAINER}//a", f"{CONTAINER}//a"),
        (f"{ACCOUNT}/$web/index.html", f"{ACCOUNT}/$web/index.html"),
        (f"{ACCOUNT}/%24web/index.html", f"{ACCOUNT}/$web/index.html"),
    ],
)
def test_each_name_has_one_form(text: str, id_: str) -> None:
    assert parse_ref(text).id == id_
    assert parse_ref(parse_ref(text).id) == parse_ref(text)


def test_letter_case_means_something_in_a_blobs_name_only() -> None:
    assert parse_ref(f"{CONTAINER}/A").key != parse_ref(f"{CONTAINER}/a").key
    assert key_of(f"{CONTAINER}/A", "blob") == parse_ref(f"{CONTAINER}/A").key


@pytest.mark.parametrize(
    "text",
    [
        ACCOUNT,
        f"{ACCOUNT}/",
        f"{ACCOUNT}/ab/x",
        f"{ACCOUNT}/a--b/x",
        f"{ACCOUNT}/-ab/x",
        f"{ACCOUNT}/{'a' * 64}/x",
        f"{ACCOUNT}/a_b/x",
        f"{ACCOUNT}/$other/x",
        "https://st.blob.core.windows.net/config/x",
        f"https://{'a' * 25}.blob.core.windows.net/config/x",
        "https://stshop-secondary.blob.core.windows.net/config/x",
        "https://stshop.blob.core.windows.net:443/config/x",
        "https://user@stshop.blob.core.windows.net/config/x",
        "https://stshop.blob.core.windows.net.evil.example/config/x",
        "https://evil.example/stshop.blob.core.windows.net/config/x",
        "https://blob.core.windows.net/config/x",
        "http://stshop.blob.core.windows.net/config/x",
        "https://stshop.table.core.windows.net/config/x",
        f"{CONTAINER}/a/../b",
        f"{CONTAINER}/a/%2e%2E/b",
        f"{CONTAINER}/.",
        f"{CONTAINER}/a/",
        f"{CONTAINER}/a%5Cb",
        f"{CONTAINER}/a\\b",
        f"{CONTAINER}/a%0Ab",
        f"{CONTAINER}/a\x00b",
        f"{CONTAINER}/a\u202eb",
        f"{CONTAINER}/a%E2%80%AEb",
        f"{CONTAINER}/%",
        f"{CONTAINER}/%zz",
        f"{CONTAINER}/%ff",
        f"{CONTAINER}/{'a' * 1025}",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_blob_is_refused(text: str) -> None:
    with pytest.raises(WrongUse):
        parse_ref(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{BLOB}?sv=2024-11-04&sp=r&sig={SECRET}",
        f"{BLOB}#sig={SECRET}",
        f"{BLOB}%3Fsv=1&sig={SECRET}",
        f"{BLOB}%253Fsv=1%2526sig%253D&sig={SECRET}",
        f"{BLOB},sig={SECRET}",
        f"{BLOB} SIG ={SECRET}",
        f"{BLOB}%2Csig%3D{SECRET}",
        f"{BLOB}%25252Csv%25253D1%252526sig%25253D{SECRET}",
        f"{BLOB}{'%' + '25' * 40}26sig=%{SECRET}",
        f"https://evil.example/config/x,sig={SECRET}",
        f"https://evil.example/config/x%26sig%3D{SECRET}",
        f"https://evil.example/config/x%2526sig%253D{SECRET}",
        f"{CONTAINER}?restype=container&sig={SECRET}",
        f"https://user:{SECRET}@stshop.blob.core.windows.net/config/x",
        f"https://evil.example/config/x?sig={SECRET}",
        f"https://user:{SECRET}@evil.example/config",
        f"DefaultEndpointsProtocol=https;AccountName=stshop;AccountKey={SECRET}",
        f"AccountKey={SECRET}",
        f"/subscriptions/x?sig={SECRET}",
    ],
)
def test_a_secret_in_the_text_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(WrongUse) as refused:
        parse_ref(text)

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["design=1", "a%3Db", "signature.json", "sig/1=2", "sig-2=1"])
def test_a_name_that_only_looks_like_a_signature_is_one(name: str) -> None:
    assert parse_ref(f"{CONTAINER}/{name}").type == BLOB_TYPE


@pytest.mark.parametrize(("suffix", "cloud"), BLOB_HOSTS.items())
def test_the_host_says_the_cloud(suffix: str, cloud: str) -> None:
    text = f"https://stshop.{suffix}/config/x"
    other = next(one for one in CLOUDS if one != cloud)

    assert parse_ref(text, cloud=cloud).cloud == cloud
    assert clouds_of(text) == (cloud,)
    with pytest.raises(OtherScope):
        parse_ref(text, cloud=other)


def test_every_cloud_has_a_host_of_blobs() -> None:
    assert set(BLOB_HOSTS.values()) == set(CLOUDS)


def test_the_text_says_the_kind() -> None:
    assert kind_of(BLOB) == "blob"
    assert kind_of("/subscriptions/x") == kind_of("https://management.azure.com/subscriptions/x") == "arm"
    assert kind_of("https://evil.example/stshop.blob.core.windows.net/config") == "arm"
    with pytest.raises(WrongUse):
        parse_ref(BLOB, kind="arm")


def test_nothing_above_a_blob_is_asked_for() -> None:
    ref = parse_ref(BLOB)

    assert with_parents([ref]) == [ref]


_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(_NAMES)
def test_every_name_that_can_be_guarded_has_one_address_and_comes_back_by_it(name: str) -> None:
    container = parse_blob_url(CONTAINER)
    try:
        url = url_of(container, name)
    except WrongUse:
        return
    assert parse_blob_url(url).blob == name
    assert parse_ref(url).id == url
    assert url.isascii() and is_blob_url(url)


@given(_NAMES, _NAMES)
def test_two_names_never_have_the_same_address(one: str, other: str) -> None:
    container = parse_blob_url(CONTAINER)
    try:
        assert (url_of(container, one) == url_of(container, other)) == (one == other)
    except WrongUse:
        return


@given(st.text(max_size=200))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    for candidate in (text, f"{CONTAINER}/{text}", f"https://{text}"):
        with contextlib.suppress(WrongUse, OtherScope):
            assert parse_ref(parse_ref(candidate).id).key
