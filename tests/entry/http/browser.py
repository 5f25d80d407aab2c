"""A browser on an ASGI application in this process: it keeps cookies, and follows no address by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx


class Browser:
    """Sends one request at a time, each on an event loop of its own, as a thread of Azure Functions would."""

    def __init__(self, app: Any, base: str) -> None:
        self._transport = httpx.ASGITransport(app=app)
        self._base = base
        self.cookies = httpx.Cookies()

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.request("GET", address, headers)

    def request(self, method: str, address: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return asyncio.run(self._request(method, address, dict(headers or {})))

    async def _request(self, method: str, address: str, headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url=self._base, cookies=self.cookies) as client:
            answer = await client.request(method, address, headers=headers)
            self.cookies = client.cookies
            return answer
