"""Forms in which people put secrets into resources, each sealed; and their neighbours that are none."""

from __future__ import annotations

from typing import Any

import pytest

from driftguard.flow.secrets import seal

SECRET = "c4n4ry"


class Sealer:
    """Marks without a key."""

    key_id = "k"

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        return f"secret:k:{'0' * 32}"


@pytest.mark.parametrize(
    "body",
    [
        {"secrets": [{"name": "anything", "value": SECRET}]},
        {"headers": {"Authorization": f"Basic {SECRET}"}},
        {"headers": {"x-functions-key": SECRET}},
        {"headers": {"Ocp-Apim-Subscription-Key": SECRET}},
        {"env": [{"name": "DB_PASS", "value": SECRET}]},
        {"env": [{"name": "PGPASSWORD", "value": SECRET}]},
        {"env": [{"name": "anything", "secureValue": SECRET}]},
        {"tags": {"db-pass": SECRET}},
        {"tags": {"pw": SECRET}},
        {"passwordHash": SECRET},
        {"kubeConfig": SECRET},
        {"credentialString": SECRET},
        {"encryptedCredential": SECRET},
        {"dockerAuthConfig": SECRET},
        {".dockerconfigjson": SECRET},
        {"jaasConfig": SECRET},
        {"containerSasUrl": SECRET},
        {"activationKey": SECRET},
        {"servicePrincipalProfile": {"clientId": "x", "secret": SECRET}},
        {"linkedService": {"anything": {"type": "SecureString", "value": SECRET}}},
        {"repoUrl": f"https://{SECRET}{'a' * 30}@dev.example.com/org/_git/repo"},
        {"Name": "DB_PASSWORD", "Value": SECRET},
        {"type": "securestring", "defaultValue": SECRET},
        {"Name": "p", "Type": "SecureString", "Value": SECRET},
        {"TYPE": "SecureObject", "VALUE": {"deep": [SECRET]}},
        {"KEY": "apiKey", "defaultValue": SECRET},
        {"displayName": "client secret", "value": SECRET},
        {"name": "x-api-key", "values": [SECRET]},
        {"isSecret": True, "value": SECRET},
        {"credential": SECRET},
        {"credentials": {"user": "u", "pin": SECRET}},
        {"basicCredentials": [{"name": "n", "parts": [SECRET]}]},
        {"passcode": SECRET},
        {"psk": SECRET},
        {"pat": SECRET},
        {"snmpCommunity": SECRET},
        {"instrumentationKey": SECRET},
        {"bearerAuth": SECRET},
        {"url": f"https://user:pa/{SECRET}@host/"},
        {"serviceAccount": f'{{"private_key": "{SECRET}"}}'},
        {"text": f"password: /{SECRET}"},
        {"script": f"mysql -u root -p{SECRET} shop"},
    ],
    ids=str,
)
def test_a_secret_in_this_form_is_sealed(body: dict[str, Any]) -> None:
    assert SECRET not in str(seal(body, Sealer()))


@pytest.mark.parametrize(
    "body",
    [
        {"networkAcls": {"bypass": "AzureServices"}},
        {"ssh": {"publicKeys": [{"keyData": "ssh-ed25519 AAAA shop"}]}},
        {"secrets": [{"sourceVault": {"id": "/subscriptions/x"}, "vaultCertificates": []}]},
        {"secrets": [{"name": "db", "keyVaultUrl": "https://kv/secrets/db", "identity": "system"}]},
        {"repoUrl": "https://org@dev.example.com/org/_git/repo"},
        {"credential": {"referenceName": "uami", "type": "CredentialReference"}},
        {"compass": "north"},
        {"credential": {"resourceId": "/subscriptions/x/y", "id": "1", "userAssignedIdentity": "/subscriptions/x/z"}},
        {
            "credential": "/subscriptions/x/resourceGroups/y/providers/Microsoft.ManagedIdentity/userAssignedIdentities/z"
        },
        {"credentials": {"clientId": "11111111-2222-3333-4444-555555555555", "type": "UAMI", "enabled": True}},
        {"cors": {"supportCredentials": False}},
        {"name": "region", "Value": "westus"},
        {"path": "a", "type": "String", "defaultValue": "b"},
    ],
    ids=str,
)
def test_what_only_looks_like_one_stays_readable(body: dict[str, Any]) -> None:
    assert seal(body, Sealer()) == body
