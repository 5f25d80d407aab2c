"""What names a resource: what is read from an id, and everything that is no id."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.resource import ARM_HOSTS, CLOUDS, parse_ref

SUB = "11111111-2222-3333-4444-AAAAAAAAAAAA"
S = f"/subscriptions/{SUB}"
G = f"{S}/resourceGroups/rg-Shop"
V = f"{G}/providers/Microsoft.Network/virtualNetworks/vnet-1"
LOCK = "providers/Microsoft.Authorization/locks/no-delete"


@pytest.mark.parametrize(
    ("text", "type_", "name", "subscription", "group"),
    [
        (S, "Microsoft.Resources/subscriptions", SUB, SUB.lower(), ""),
        (G, "Microsoft.Resources/resourceGroups", "rg-Shop", SUB.lower(), "rg-shop"),
        (V, "Microsoft.Network/virtualNetworks", "vnet-1", SUB.lower(), "rg-shop"),
        (f"{V}/subnets/a", "Microsoft.Network/virtualNetworks/subnets", "a", SUB.lower(), "rg-shop"),
        (f"{V}/{LOCK}", "Microsoft.Authorization/locks", "no-delete", SUB.lower(), "rg-shop"),
        (f"{V}/subnets/a/{LOCK}", "Microsoft.Authorization/locks", "no-delete", SUB.lower(), "rg-shop"),
        (f"{G}/{LOCK}", "Microsoft.Authorization/locks", "no-delete", SUB.lower(), "rg-shop"),
        (f"{S}/{LOCK}", "Microsoft.Authorization/locks", "no-delete", SUB.lower(), ""),
        (f"/{LOCK}", "Microsoft.Authorization/locks", "no-delete", "", ""),
        (
            "/providers/Microsoft.Management/managementGroups/root",
            "Microsoft.Management/managementGroups",
            "root",
            "",
            "",
        ),
        (
            f"/providers/Microsoft.Management/managementGroups/root/{LOCK}",
            "Microsoft.Authorization/locks",
            "no-delete",
            "",
            "",
        ),
        # A resource may be called, or be of a type that is called, like a word of the grammar.
        (f"{G}/providers/Microsoft.Web/sites/providers", "Microsoft.Web/sites", "providers", SUB.lower(), "rg-shop"),
        (f"{S}/resourceGroups/providers", "Microsoft.Resources/resourceGroups", "providers", SUB.lower(), "providers"),
        ("/providers/Microsoft.X/subscriptions/s", "Microsoft.X/subscriptions", "s", "", ""),
        ("/providers/Microsoft.X/resourceGroups/g", "Microsoft.X/resourceGroups", "g", "", ""),
        (f"{S}/providers/Microsoft.X/resourceGroups/g", "Microsoft.X/resourceGroups", "g", SUB.lower(), ""),
        (
            f"{G}/providers/Microsoft.Web/sites/a(1)_b.c-d;e:f@g,h",
            "Microsoft.Web/sites",
            "a(1)_b.c-d;e:f@g,h",
            SUB.lower(),
            "rg-shop",
        ),
        (
            f"{S}/resourceGroups/gruppe-für-ö",
            "Microsoft.Resources/resourceGroups",
            "gruppe-für-ö",
            SUB.lower(),
            "gruppe-für-ö",
        ),
        # Alert rules and tests of Application Insights have names with blanks.
        (
            f"{G}/providers/Microsoft.X/alerts/my own  rule",
            "Microsoft.X/alerts",
            "my own  rule",
            SUB.lower(),
            "rg-shop",
        ),
        (f"{G}/providers/Microsoft.Web/sites/..a", "Microsoft.Web/sites", "..a", SUB.lower(), "rg-shop"),
    ],
)
def test_what_an_id_says(text: str, type_: str, name: str, subscription: str, group: str) -> None:
    ref = parse_ref(text, tenant="t")
    assert (ref.id, ref.key, ref.tenant, ref.kind, ref.cloud) == (text, text.lower(), "t", "arm", "public")
    assert (ref.type, ref.name, ref.subscription, ref.resource_group) == (type_, name, subscription, group)
    assert ref.namespace == type_.partition("/")[0]


def test_casing_and_a_slash_at_the_end_name_the_same_resource() -> None:
    forms = [V, V.upper(), V.lower(), V + "/", V.replace("resourceGroups", "resourcegroups")]
    assert len({parse_ref(text).key for text in forms}) == 1
    assert parse_ref(V.upper()).id == V.upper()


@pytest.mark.parametrize(("host", "cloud"), ARM_HOSTS.items())
def test_an_id_may_be_a_url_of_the_cloud_in_use(host: str, cloud: str) -> None:
    for url in (f"https://{host}{V}", f"HTTPS://{host.upper()}{V}/"):
        assert parse_ref(url, cloud=cloud) == parse_ref(V, cloud=cloud)
    for other in set(CLOUDS) - {cloud}:
        with pytest.raises(OtherScope, match=cloud) as refused:
            parse_ref(f"https://{host}{V}", cloud=other)
        assert "DRIFTGUARD_CLOUD" in refused.value.remedy


MALFORMED = [
    "",
    " ",
    "/",
    "//",
    "vnet-1",
    "null",
    V[1:],
    " " + V,
    V + " ",
    V + "//",
    V + "\n",
    V + "\x00",
    # a path that leads elsewhere
    f"{G}/../other",
    f"{V}/subnets/..",
    f"{V}/subnets/.",
    f"{V}/subnets/...",
    f"{V}/./subnets/a",
    f"{S}/resourceGroups/..",
    f"{S}/resourceGroups/%2e%2e",
    f"{V}%2fsubnets%2fa",
    f"{V}%2Fsubnets",
    f"{V}%00",
    f"{V}\\..\\x",
    G.replace("/resourceGroups", "//resourceGroups"),
    "/" + V,
    # queries, fragments, escapes, markup
    f"{V}?api-version=2020-01-01",
    f"{V}#x",
    f"{V}/subnets/a?x",
    f"{V}/subnets/<b>",
    f"{V}/subnets/a%20b",
    # blanks and what does not print
    f"{S}/resourceGroups/ a",
    f"{S}/resourceGroups/a ",
    f"{S}/resourceGroups/ ",
    f"{S}/resourceGroups/a\tb",
    f"{S}/resourceGroups/a\r\nX-Header: 1",
    f"{S}/resourceGroups/a\u00a0b",
    f"{S}/resourceGroups/a\u2028b",
    f"{S}/resourceGroups/a\u0085b",
    f"{S}/resourceGroups/a\x9fb",
    f"{S}/resourceGroups/a\x7fb",
    f"{S}/resourceGroups/a\u202eb",
    f"{S}/resourceGroups/a\u200bb",
    f"{S}/resourceGroups/a\ud800b",
    # segments where none belong, or too few of them
    "/subscriptions",
    "/subscriptions/",
    "/subscriptions/not-a-guid",
    f"/subscriptions/{SUB}0",
    f"/subscriptions/{{{SUB}}}",
    f"/subscriptions/{SUB}/resourceGroups",
    f"/subscriptions/{SUB}/other/x",
    f"{G}/x",
    f"{G}/virtualNetworks/v",
    f"{G}/providers",
    f"{G}/providers/Microsoft.Network",
    f"{G}/providers/Microsoft.Network/virtualNetworks",
    f"{V}/subnets",
    f"{V}/providers",
    f"{V}/providers/Microsoft.Authorization",
    f"{V}/providers/Microsoft.Authorization/locks",
    f"{G}/providers/Microsoft.Network/providers/Microsoft.Network/x/y",
    f"{G}/providers/.Network/a/b",
    f"{G}/providers/Microsoft./a/b",
    f"{G}/providers/Micro-soft.Network/a/b",
    f"{G}/resourceGroups/again",
    f"/resourceGroups/g/providers/Microsoft.X/a/b{S}",
    "/providers",
    "/providers/Microsoft.X",
    "/tenants/x",
    # URLs
    f"http://management.azure.com{V}",
    f"https://management.azure.com.evil.example{V}",
    f"https://evil.example{V}",
    f"https://management.azure.com:443{V}",
    f"https://management.azure.com@evil.example{V}",
    f"https://user:secret@management.azure.com{V}",
    f"https://management.azure.com{V}?api-version=1",
    f"https:/management.azure.com{V}",
    f"//management.azure.com{V}",
    f"file://{V}",
    "https://",
    "https://management.azure.com",
    "https://management.azure.com/",
    # too long
    f"{S}/resourceGroups/" + "x" * 2048,
    f"{G}/providers/Microsoft.X" + "/a/b" * 1000,
]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_id_is_refused_with_an_example_and_printed_safely(text: str) -> None:
    with pytest.raises(WrongUse, match="is not a resource id") as refused:
        parse_ref(text)
    told = str(refused.value)
    assert told.isprintable()
    assert len(told) < 1200
    assert "/subscriptions/{id}/resourceGroups/{group}" in refused.value.remedy


def test_the_longest_id_that_is_taken_has_2048_characters() -> None:
    stem = f"{S}/resourceGroups/"
    assert parse_ref(stem + "x" * (2048 - len(stem)))
    with pytest.raises(WrongUse):
        parse_ref(stem + "x" * (2049 - len(stem)))


def test_an_unknown_kind_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(WrongUse, match="unknown kind") as refused:
        parse_ref(V, kind="cosmos")
    assert "arm" in refused.value.remedy


SAFE = re.compile(r"(/[^\s/?#%\\<>]+( +[^\s/?#%\\<>]+)*)+")
hostile = st.lists(
    st.sampled_from([*V.split("/"), S, G, V, "providers", "..", ".", "", "%2f", "?x", "#", "\n", "https:", "\u202e"])
    | st.text(max_size=6),
    max_size=12,
)


@given(hostile.map("/".join) | hostile.map("".join) | st.text(max_size=80))
def test_whatever_is_taken_is_a_plain_path_and_everything_else_is_refused(text: str) -> None:
    try:
        ref = parse_ref(text)
    except (WrongUse, OtherScope):
        return
    assert SAFE.fullmatch(ref.id)
    assert ref.id.isprintable() and len(ref.id) <= 2048
    assert not any(set(segment) == {"."} for segment in ref.id.split("/")[1:])
    assert ref.key == ref.id.lower()
    assert parse_ref(ref.id) == ref
    assert ref.subscription in ref.key and ref.resource_group in ref.key


names = st.text(st.characters(codec="ascii", categories=["L", "N"]) | st.sampled_from("-_.()"), min_size=1, max_size=20)
names = names.filter(lambda name: set(name) != {"."})
types = st.sampled_from(["virtualNetworks", "subnets", "sites", "config", "providersX"])


@given(names, st.lists(st.tuples(types, names), min_size=1, max_size=4), st.booleans())
def test_every_well_formed_id_is_taken_with_its_nested_type(
    group: str, pairs: list[tuple[str, str]], upper: bool
) -> None:
    text = f"{S}/resourceGroups/{group}/providers/Microsoft.Network/" + "/".join("/".join(pair) for pair in pairs)
    ref = parse_ref(text.upper() if upper else text)
    assert ref.type.lower() == "/".join(["microsoft.network", *(type_.lower() for type_, _ in pairs)])
    assert (ref.name.lower(), ref.resource_group) == (pairs[-1][1].lower(), group.lower())
