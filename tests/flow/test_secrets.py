from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.secret_shapes_speed import NEARLY_SECRETS, nearly_secret
from driftguard.errors import SecretKeyMissing
from driftguard.flow.path import MAX_DEPTH, PathPattern, PatternSet, TooDeep, format_path, parse_path
from driftguard.flow.secret_shapes import is_secret_name, is_secret_value
from driftguard.flow.secrets import align, is_mark, mark_key, reseal, reseal_part, seal
from tests.flow.bodies import ID, TestSealer, bodies

CANARY = "kanarienvogel-7Zq"
KEY64 = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kA=="
STORE_KEY = f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY64};EndpointSuffix=core.windows.net"


def redacting(*texts: str) -> PatternSet:
    return PatternSet((PathPattern.parse(text), "rule") for text in texts)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    "name",
    ["password", "adminPassword", "administratorLoginPassword", "secret", "clientSecret", "key1", "key2", "primaryKey",
     "secondaryKey", "accessKey", "storageAccountAccessKey", "sharedKey", "preSharedKey", "connectionString",
     "primaryConnectionString", "sasToken", "registrationInfoToken", "customData", "userData", "protectedSettings",
     "passcode", "psk", "pat", "PAT", "snmpCommunity", "instrumentationKey", "Set-Cookie", "signingKey",
     "admin_password", "API-Key", "primaryMasterKey", "workspaceKey", "authorizationKey", "radiusServerSecret"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["name", "keyVaultUri", "keyName", "publicKey", "keyData", "key", "keys", "keyUri", "secretName", "secretUri", "secrets",
     "secretIdentifier", "passwordSecretRef", "disablePasswordAuthentication", "partitionKey", "allowSharedKeyAccess",
     "keyVaultId", "tokenEndpoint", "publicCertData", "path", "patch", "community", "connectionStrings", "encryption"],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    [STORE_KEY, KEY64, f"x {KEY64} y", "Endpoint=sb://n/;SharedAccessKeyName=r;SharedAccessKey=abc=", "Server=s;Password=p;",
     "server=s;pwd = p", "https://s.blob.core.windows.net/c?sv=2020&sig=abc%3D", "sig=abc%3D&sv=1", "https://f/api?code=abc",
     "-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN RSA PRIVATE KEY-----", "eyJhbGciOiJI.eyJzdWIiOiIx.sig",
     "Authorization: Bearer abcdefghijklmnop0123", "ghp_" + "a1" * 18, "github_pat_" + "a" * 30, "xoxb-1234567890-abc",
     "https://hooks.slack.com/services/T0/B0/x", "https://x.webhook.office.com/webhookb2/1", "https://user:pass@host/x",
     "az login --password hunter2", "-Password hunter2", '{"password": "hunter2"}', "apiKey: hunter2",
     "Basic dXNlcjpodW50ZXIy", 'curl -H "authorization: basic dXNlcjpwdw=="', "https://user:pa/ss@host/x", "amqps://u:p@h",
     '{"private_key":"x"}', '{"clientSecret" : "x"}', r'{"a": "{\"password\": \"x\"}"}', "password: /hunter2",
     "mysql -u root -phunter2 shop", "sqlcmd -S s -P hunter2",
     "a1Z8Q~" + "b" * 34, "A" * 52 + "JQQJ99" + "B" * 26],
)  # fmt: skip
def test_values_of_secrets(value: str) -> None:
    assert is_secret_value(value)


@pytest.mark.parametrize(
    "value",
    ["", "Succeeded", ID, "https://vault.azure.net/secrets/db", "@Microsoft.KeyVault(SecretUri=https://v/secrets/x)",
     "ssh-rsa AAAAB3NzaC1yc2E", "-----BEGIN CERTIFICATE-----", "10.0.0.0/24", "2018-02-14T06:01:52Z", "a=b;c=d",
     "Basic authentication", "Basic plan standard", "https://host:8443/users/a@example.com", "secret://x", "cp -p a b",
     '{"url": "https://host/x", "mail": "a@example.com"}', "https://host/tokens:list", "Standard_D2s -p",
     "westus", "user@example.com", "11111111-2222-3333-4444-555555555555", "password", "W/\"1\""],
)  # fmt: skip
def test_values_that_are_none(value: str) -> None:
    assert not is_secret_value(value)


THAT_ARE = {"key ", "token ", "JQQJ99", "xoxb-", "mysql -p"}  # with the end that each of them gets


@pytest.mark.parametrize("part", NEARLY_SECRETS)
def test_a_value_of_nearly_secrets_has_the_same_answer_however_long_it_is(part: str) -> None:
    for length in (300, 200_000):
        assert is_secret_value(nearly_secret(part, length)) is (part in THAT_ARE)


def test_of_a_secret_neither_a_character_nor_its_length_remains() -> None:
    body = {
        "properties": {
            "adminPassword": CANARY,
            "protectedSettings": {"deep": [{"x": CANARY, "list": [CANARY]}], "n": 123456789, "on": True},
            "connectionString": CANARY,
            "siteConfig": {
                "appSettings": [{"name": "A", "value": CANARY}],
                "connectionStrings": [{"connectionString": CANARY}],
            },
            "env": [{"name": "DB_PASSWORD", "value": CANARY}, {"name": "x", "secureValue": CANARY}],
            "url": f"https://s/?sig={CANARY}",
            "store": f"AccountKey={CANARY};x",
            "byPath": {"list": [{"name": "n", "deep": CANARY}]},
            "named": {"displayName": "n", "secret": True, "value": CANARY},
            "parameters": {"p": {"type": "SecureString", "value": CANARY, "defaultValue": CANARY}},
        }
    }
    long = json.loads(json.dumps(body).replace(CANARY, CANARY * 20))
    rules = redacting("properties.byPath.list[name=n].deep")
    sealed, sealed_long = seal(body, TestSealer(), rules), seal(long, TestSealer(), rules)
    for text in texts_in(sealed):
        assert CANARY[:4] not in text
    assert "123456789" not in json.dumps(sealed)
    assert len(json.dumps(sealed)) == len(json.dumps(sealed_long))
    assert json.dumps(sealed) != json.dumps(sealed_long)


def test_what_is_no_secret_stays_and_the_body_given_is_not_changed() -> None:
    body = {"name": "v", "properties": {"keyVaultUri": "https://v", "key1": "", "key2": None, "n": 1, "on": True}}
    before = json.dumps(body)
    assert seal(body, TestSealer()) == body
    seal({"properties": {"password": CANARY}}, TestSealer())
    assert json.dumps(body) == before


def test_the_shape_below_a_secret_name_stays_and_each_leaf_is_a_mark() -> None:
    sealed = seal({"protectedSettings": {"a": "x", "b": [1, None, "", {"c": False}]}}, TestSealer())[
        "protectedSettings"
    ]
    assert is_mark(sealed["a"])
    assert is_mark(sealed["b"][0])
    assert sealed["b"][1:3] == [None, ""]
    assert is_mark(sealed["b"][3]["c"])


def test_a_number_and_its_text_have_one_mark_whatever_the_spelling() -> None:
    marks = {seal({"password": value}, TestSealer())["password"] for value in (1, 1.0, "1")}
    assert len(marks) == 1


@pytest.mark.parametrize("name", ["appsettings", "connectionstrings", "site/appsettings"])
@pytest.mark.parametrize("type_", ["Microsoft.Web/sites/config", "Microsoft.Web/sites/slots/config"])
def test_settings_of_web_applications_are_secrets_whatever_they_are_called(name: str, type_: str) -> None:
    body = {"name": name, "type": type_, "properties": {"A": CANARY, "B": {"type": "SQLAzure", "value": CANARY}}}
    for sealed in (seal(body, TestSealer()), seal({**body, "type": None}, TestSealer(), type_=type_)):
        assert is_mark(sealed["properties"]["A"])
        assert is_mark(sealed["properties"]["B"]["value"])
        assert (sealed["name"], list(sealed)) == (name, ["name", "type", "properties"])
    web = seal({**body, "name": "web"}, TestSealer())
    assert web["properties"]["A"] == CANARY


def test_a_value_that_looks_like_a_mark_is_sealed_so_that_nobody_can_paste_one() -> None:
    mark = seal({"password": CANARY}, TestSealer())["password"]
    assert is_mark(mark)
    pasted = seal({"password": mark, "x": mark}, TestSealer())
    assert is_mark(pasted["password"])
    assert pasted["password"] != mark
    assert is_mark(pasted["x"])
    assert pasted["x"] != mark


def test_a_body_is_sealed_with_the_key_that_is_asked_for() -> None:
    assert mark_key(seal({"password": "x"}, TestSealer("k1"))["password"]) == "k1"
    assert mark_key(seal({"password": "x"}, TestSealer("k1"), key_id="k0")["password"]) == "k0"
    with pytest.raises(ValueError):
        mark_key("secret:k1:short")


@pytest.mark.parametrize(
    "value", ["secret:k:" + "0" * 31, "secret::" + "0" * 32, "secret:k:" + "G" * 32, "", None, 1, ["x"]]
)
def test_what_only_resembles_a_mark_is_none(value: Any) -> None:
    assert not is_mark(value)


def test_a_rule_that_seals_a_list_element_seals_all_below_it() -> None:
    sealed = seal({"a": [{"name": "x", "v": "1"}, {"name": "y", "v": "1"}]}, TestSealer(), redacting("a[name=x].v"))
    assert is_mark(sealed["a"][0]["v"])
    assert sealed["a"][1]["v"] == "1"
    assert is_mark(seal({"a": {"b": ["v"]}}, TestSealer(), redacting("A.*"))["a"]["b"][0])


@pytest.mark.parametrize(
    "partners",
    [
        [{"name": "acme", "code": CANARY}],
        [{"name": "acme", "code": CANARY}, {"name": "ACME", "code": "x"}],
        [{"name": "acme", "code": CANARY}, {"code": "x"}],
        [{"name": "acme", "code": CANARY}, "x"],
        [{"Name": "Acme", "code": CANARY}, {"name": "other", "code": "x"}],
        [{"id": "1", "code": CANARY}, {"name": "other", "code": "x"}],
        [{"name": None, "code": CANARY}, {"name": "acme", "code": "x"}],
        [{"name": "renamed", "code": CANARY}, {"name": "other", "code": "x"}],
    ],
)
def test_no_edit_of_a_list_takes_an_element_out_of_a_rule_that_names_it(partners: list[Any]) -> None:
    for items in (partners, partners[::-1]):
        rules = redacting("properties.partners[name=acme].code")
        assert CANARY not in json.dumps(seal({"properties": {"partners": items}}, TestSealer(), rules))


def test_a_rule_that_names_an_element_leaves_the_others_while_it_is_there() -> None:
    items = [{"name": "acme", "code": "1"}, {"name": "other", "code": "2"}]
    sealed = seal({"p": items}, TestSealer(), redacting("p[name=acme].code"))["p"]
    assert is_mark(sealed[0]["code"])
    assert sealed[1] == items[1]


def test_a_rule_that_names_an_index_holds_whether_the_list_has_an_identity_or_not() -> None:
    for items in ([{"name": "a", "v": "1"}, {"name": "b", "v": "2"}], [{"v": "1"}, {"v": "2"}]):
        sealed = seal({"p": items}, TestSealer(), redacting("p[1].v"))["p"]
        assert (sealed[0]["v"], is_mark(sealed[1]["v"])) == ("1", True)


@given(bodies)
def test_any_body_is_sealed_the_same_way_each_time_and_keeps_its_shape(body: dict[str, Any]) -> None:
    once, again = seal(body, TestSealer(), redacting("**.x")), seal(body, TestSealer(), redacting("**.x"))
    assert json.dumps(once) == json.dumps(again)
    assert list(once) == list(body)


@given(bodies, st.sampled_from(["**.x", "properties", "tags.*"]))
def test_a_rule_for_secrets_that_changed_between_two_readings_shows_no_change(body: dict[str, Any], path: str) -> None:
    plain, sealed = seal(body, TestSealer()), seal(body, TestSealer(), redacting(path))
    for before, after in ((plain, sealed), (sealed, plain)):
        old, new = align(before, after, TestSealer())
        assert json.dumps(old) == json.dumps(new)


def test_aligning_keeps_a_real_change_and_returns_the_same_objects_where_nothing_is_to_do() -> None:
    before, after = {"a": [{"name": "n", "v": "old"}]}, {"a": [{"name": "n", "v": "new"}]}
    old, new = align(seal(before, TestSealer(), redacting("a[*].v")), seal(after, TestSealer()), TestSealer("k2"))
    assert mark_key(new["a"][0]["v"]) == "k1"
    assert old != new
    same_before, same_after = align(before, after, TestSealer())
    assert same_before is before
    assert same_after is after


def test_aligning_meets_list_elements_by_identity() -> None:
    sealed = seal({"a": [{"name": "x", "v": "1"}, {"name": "y", "v": "2"}]}, TestSealer(), redacting("a[*].v"))
    old, new = align(sealed, {"a": [{"name": "Y", "v": "2"}, {"name": "X", "v": "1"}]}, TestSealer())
    assert [item["v"] for item in new["a"]] == [item["v"] for item in reversed(old["a"])]


def test_a_missing_key_is_told_and_never_passed_over() -> None:
    class NoKeys(TestSealer):
        def mark(self, name: str, value: str, key_id: str | None = None) -> str:
            raise SecretKeyMissing("no key", "restore it")

    sealed = seal({"x": "v"}, TestSealer(), redacting("x"))
    with pytest.raises(SecretKeyMissing):
        align(sealed, {"x": "v"}, NoKeys())
    with pytest.raises(SecretKeyMissing):
        seal({"password": "x"}, NoKeys(), key_id="k0")


def test_a_body_without_end_is_a_named_error() -> None:
    deep: Any = "x"
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    with pytest.raises(TooDeep):
        seal({"a": deep}, TestSealer())


def test_aligning_meets_elements_whose_identity_was_sealed_on_one_side() -> None:
    body = {"a": [{"name": "x", "v": "1"}, {"name": "y", "v": "2"}]}
    sealed = seal(body, TestSealer(), redacting("a"))
    assert align(sealed, {"a": body["a"][::-1]}, TestSealer())[1]["a"] == sealed["a"][::-1]


# Sealed once more: what was stored before a rule came


@given(bodies, st.sampled_from(["**.x", "properties", "tags.*", "subnets[*].properties", "**.location"]))
def test_a_body_sealed_once_more_is_as_if_it_had_been_sealed_so_at_first(body: dict[str, Any], path: str) -> None:
    stored = seal(body, TestSealer())
    again = reseal(stored, TestSealer(), redacting(path))
    assert json.dumps(again) == json.dumps(seal(body, TestSealer(), redacting(path)))
    assert json.dumps(reseal(again, TestSealer(), redacting(path))) == json.dumps(again)
    assert json.dumps(reseal(again, TestSealer())) == json.dumps(again), "a rule that is taken back brings nothing back"


def test_sealing_once_more_uses_the_key_it_is_given_and_leaves_the_marks_of_others() -> None:
    stored = seal({"password": "a", "note": "b"}, TestSealer("k2"))
    again = reseal(stored, TestSealer("k1"), redacting("note"), key_id="k2")
    assert again["password"] == stored["password"]
    assert mark_key(again["note"]) == "k2"


def test_what_somebody_wrote_as_a_mark_is_sealed_when_it_is_stored_and_only_then() -> None:
    written = f"secret:k1:{'0' * 32}"
    stored = seal({"a": written}, TestSealer())
    assert stored["a"] != written
    assert reseal(stored, TestSealer()) == stored


@given(bodies, st.sampled_from(["**.x", "properties", "tags.*", "subnets[*].properties", "*.name"]))
def test_a_part_is_sealed_as_it_is_within_its_body(body: dict[str, Any], path: str) -> None:
    stored = seal(body, TestSealer())
    whole = reseal(stored, TestSealer(), redacting(path))
    for name, value in stored.items():
        assert json.dumps(reseal_part((name,), value, TestSealer(), redacting(path))[1]) == json.dumps(whole[name])


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("tags.note", "tags.note"),
        ("tags.note", "Tags"),
        ("tags.note", "**.NOTE"),
        ("p.list[name=a].v", "p.list[*].v"),
        ("p.list[name=a].v", "p.list[name=A].v"),
        ("p.list[name=a].v", "p.list[3].v"),
        ("p.list[name=a].v", "p.list[code=7].v"),
        ("p.list[2].v", "p.list[name=a].v"),
        ("p.list[2].v", "**.v"),
        ("p.password", "none"),
        ("p.appSettings[name=PLAIN].value", "none"),
        ("p.env[name=DB_PASSWORD].value", "none"),
        ("p.secrets[name=x].value", "none"),
    ],
)
def test_a_value_is_sealed_by_what_the_path_to_it_tells(path: str, rule: str) -> None:
    assert is_mark(reseal_part(parse_path(path), "plain", TestSealer(), redacting(rule))[1])
    assert is_mark(reseal_part(parse_path(path), {"a": ["plain"]}, TestSealer(), redacting(rule))[1]["a"][0])


@pytest.mark.parametrize(
    ("path", "rule"),
    [("tags.other", "tags.note"), ("p.list[name=b].v", "p.list[name=a].v"), ("p.env[name=MODE].value", "none")],
)
def test_a_value_that_no_rule_names_stays(path: str, rule: str) -> None:
    assert reseal_part(parse_path(path), "plain", TestSealer(), redacting(rule)) == (parse_path(path), "plain")


def test_an_identity_that_is_a_secret_is_a_mark_in_the_path_as_well() -> None:
    path, _ = reseal_part(parse_path("p.list[name=hush].v"), "plain", TestSealer(), redacting("p.list[*].name"))
    assert "hush" not in format_path(path) and "secret:k1:" in format_path(path)
