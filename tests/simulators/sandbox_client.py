"""A client that speaks HTTP to the sandbox, and the ids of the default estate that the tests speak of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import requests

from driftguard.sandbox import SUBSCRIPTION, Sandbox

START = datetime(2026, 10, 1, 12, 0, 0, tzinfo=UTC)
SUB = f"/subscriptions/{SUBSCRIPTION}"
NETWORK = f"{SUB}/resourceGroups/rg-shop-network/providers/Microsoft.Network"
APP = f"{SUB}/resourceGroups/rg-shop-app/providers"
DATA = f"{SUB}/resourceGroups/rg-shop-data/providers"
VNET = f"{NETWORK}/virtualNetworks/vnet-shop"
NSG = f"{NETWORK}/networkSecurityGroups/nsg-web"
ZONE = f"{NETWORK}/dnsZones/shop.contoso.com"
IP_GROUP = f"{NETWORK}/ipGroups/ipg-offices"
ACCOUNT = f"{DATA}/Microsoft.Storage/storageAccounts/stshopdata"
VAULT = f"{DATA}/Microsoft.KeyVault/vaults/kv-shop-prod"
MACHINE = f"{APP}/Microsoft.Compute/virtualMachines/vm-web-1"
SITE = f"{APP}/Microsoft.Web/sites/app-shop-web"
PLAN = f"{APP}/Microsoft.Web/serverfarms/plan-shop"
EVENTS = f"{SUB}/providers/Microsoft.Insights/eventtypes/management/values"
RULE = {
    "properties": {
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": "22",
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "*",
        "access": "Allow",
        "priority": 300,
        "direction": "Inbound",
    }
}


class Client:
    """Calls with a bearer token; `api` is the api-version, None for none."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        api: str | None = "2024-05-01",
        token: str | None = "pipeline",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> requests.Response:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        asked = {**({"api-version": api} if api else {}), **(query or {})}
        address = path if path.startswith("http") else self.sandbox.endpoint + path
        return self.session.request(method, address, params=asked, json=body, headers=sent, timeout=timeout)

    def get(self, path: str, **how: Any) -> requests.Response:
        return self.send("GET", path, **how)

    def put(self, path: str, body: Any, **how: Any) -> requests.Response:
        return self.send("PUT", path, body, **how)

    def control(self, method: str, name: str, body: Any = None) -> requests.Response:
        return self.send(method, f"/sandbox/{name}", body, api=None, token=None)
