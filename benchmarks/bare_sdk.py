"""The yardstick: the same GETs by the Azure SDK alone, as somebody would write it who guards nothing.

Rules:
- ResourceManagementClient with its default policies, `send_request` and `json()`, 32 threads over a pool of 32 connections.
- A GET that the SDK's own retries give up on with 429 is asked for again, until everything has come.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from azure.mgmt.resource.resources import ResourceManagementClient
from requests.adapters import HTTPAdapter

WORKERS = 32
_HOUR = 3600


class _Token:
    """The sandbox's token."""

    def get_token(self, *scopes: str, **more: object) -> AccessToken:
        return AccessToken("pipeline", int(time.time()) + _HOUR)


def get_all(endpoint: str, wanted: Iterable[tuple[str, str]]) -> int:
    """GET every (id, api-version); the number of JSON objects that came. Raises HttpResponseError for any other refusal."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=4, pool_maxsize=WORKERS))
    transport = RequestsTransport(session=session, session_owner=False)
    with session, ResourceManagementClient(_Token(), "none", base_url=endpoint, transport=transport) as client:

        def get(one: tuple[str, str]) -> bool:
            request = HttpRequest("GET", f"{endpoint}{one[0]}?api-version={one[1]}")
            response = client.send_request(request, enforce_https=False)
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                return False
            response.raise_for_status()
            return isinstance(response.json(), dict)

        left, came = list(wanted), 0
        with ThreadPoolExecutor(WORKERS) as pool:
            while left:
                results = list(pool.map(get, left))
                left = [one for one, result in zip(left, results, strict=True) if not result]
                came += sum(results)
        return came
