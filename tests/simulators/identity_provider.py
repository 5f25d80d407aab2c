"""An identity provider on loopback: publishes keys, mints tokens, rotates keys, and fails on demand.

It signs whatever it is asked to, also what no identity provider would: that is what it is for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

TENANT = "aaaaaaaa-1111-4000-8000-000000000001"
OTHER_TENANT = "bbbbbbbb-1111-4000-8000-000000000002"
CLIENT_ID = "cccccccc-1111-4000-8000-000000000003"
AUDIENCE = "api://driftguard"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
Claims = dict[str, Any]
MODES = ("up", "down", "slow", "garbage", "empty", "no keys", "redirect", "endless", "huge", "drip")


@cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    """The number-th signing key; made once a process, since it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def short_key() -> rsa.RSAPrivateKey:
    """A key that is too short to be trusted."""
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@dataclass
class IdentityProvider:
    """One tenant's identity provider. `published` are the numbers of the keys in the key set, the last one signs.

    `mode` is one of MODES, `asked` how often the key set was asked for.
    """

    address: str
    tenant: str = TENANT
    published: list[int] = field(default_factory=lambda: [0])
    extra_keys: list[Mapping[str, Any]] = field(default_factory=list)
    mode: str = "up"
    asked: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def issuer(self) -> str:
        """The issuer of tokens of version 2."""
        return f"{self.address}/{self.tenant}/v2.0"

    def rotate(self, *, keep: bool = False) -> None:
        """Sign with a new key from now on; the earlier ones are published no longer, unless they are kept."""
        number = self.published[-1] + 1
        self.published = [*self.published, number] if keep else [number]

    def application(self, app_id: str, *roles: str, **more: Any) -> Claims:
        """The claims of an application's token."""
        object_id = "ffffffff" + app_id[8:]
        return {**self._common(object_id), "idtyp": "app", "azp": app_id, "roles": list(roles), **more}

    def person(self, object_id: str, *roles: str, **more: Any) -> Claims:
        """The claims of a person's token."""
        name = f"{object_id[:8]}@contoso.com"
        return {
            **self._common(object_id),
            "scp": "user_impersonation",
            "azp": AZURE_CLI,
            "roles": list(roles),
            "preferred_username": name,
            **more,
        }

    def _common(self, object_id: str) -> Claims:
        now = int(time.time())
        return {
            "aud": AUDIENCE, "iss": self.issuer, "tid": self.tenant, "oid": object_id, "sub": "s", "ver": "2.0",
            "iat": now, "nbf": now, "exp": now + 3600,
        }  # fmt: skip

    def sign(self, claims: Any, *, algorithm: str = "RS256", key: int | None = None, **header: Any) -> str:
        """A token with these claims (or this text as its payload), signed with a key of ours.

        `none` is not signed at all; an HS one is signed with the public key, as whoever confuses the two would check it.
        """
        number = self.published[-1] if key is None else key
        payload = claims.encode() if isinstance(claims, str) else json.dumps(claims).encode()
        header = {"kid": kid(number), **header}
        if algorithm == "none":
            return f"{_part({'alg': 'none', 'typ': 'JWT', **header})}.{_base64(payload)}."
        if algorithm.startswith("HS"):
            return _signed_with_public_key(payload, header, number, algorithm)
        signing: Any = _elliptic() if algorithm.startswith("ES") else private_key(number)
        return PyJWS().encode(payload, signing, algorithm=algorithm, headers=header)

    def key_set(self) -> dict[str, Any]:
        """What is published."""
        return {"keys": [*(public_jwk(number) for number in self.published), *self.extra_keys]}


def kid(number: int) -> str:
    """The id of the number-th key."""
    return f"key-{number}"


def public_jwk(number: int) -> dict[str, Any]:
    """The number-th public key, as a key set holds it."""
    shown = RSAAlgorithm.to_jwk(private_key(number).public_key(), as_dict=True)
    return {**shown, "kid": kid(number), "use": "sig"}


def elliptic_jwk(key_id: str) -> dict[str, Any]:
    """An elliptic key, as a key set could hold it beside the RSA ones."""
    return {**ECAlgorithm.to_jwk(_elliptic().public_key(), as_dict=True), "kid": key_id, "use": "sig"}


@cache
def _elliptic() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _signed_with_public_key(payload: bytes, header: Mapping[str, Any], number: int, algorithm: str) -> str:
    public = private_key(number).public_key()
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{_part({'alg': algorithm, 'typ': 'JWT', **header})}.{_base64(payload)}"
    digest = getattr(hashlib, f"sha{algorithm[2:]}")
    return f"{signing_input}.{_base64(hmac.new(secret, signing_input.encode(), digest).digest())}"


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: IdentityProvider


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider = cast(_Server, self.server).provider
        if self.path == f"/{provider.tenant}/v2.0/.well-known/openid-configuration":
            keys = f"{provider.address}/{provider.tenant}/discovery/v2.0/keys"
            return self._send(200, json.dumps({"issuer": provider.issuer, "jwks_uri": keys}).encode())
        if self.path != f"/{provider.tenant}/discovery/v2.0/keys":
            return self._send(404, b"{}")
        provider.asked += 1
        return self._send_keys(provider)

    def _send_keys(self, provider: IdentityProvider) -> None:
        body = json.dumps(provider.key_set()).encode()
        if provider.mode == "slow":
            provider.stopping.wait(30.0)  # ends with the provider; no client waits that long
        elif provider.mode == "endless":
            body = b"[" * 200_000
        elif provider.mode == "huge":
            body = body[:-1] + b" " * 2_000_000 + b"}"
        elif provider.mode == "drip":
            return self._drip(provider)
        status, body = {
            "down": (503, b"{}"),
            "garbage": (200, b"<html>sign in</html>"),
            "empty": (200, b""),
            "no keys": (200, b'{"keys": []}'),
            "redirect": (302, b""),
        }.get(provider.mode, (200, body))
        return self._send(status, body)

    def _drip(self, provider: IdentityProvider) -> None:
        """An answer that never ends, a byte at a time: no single wait is long."""
        try:
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{")
            while not provider.stopping.wait(0.02):
                self.wfile.write(b" ")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client did not wait

    def _send(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client did not wait

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test tells what it needs to."""


@contextmanager
def identity_provider(tenant: str = TENANT) -> Iterator[IdentityProvider]:
    """A running identity provider."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        host, port = server.server_address[:2]
        provider = server.provider = IdentityProvider(f"http://{host!s}:{port}", tenant)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        serving.start()
        try:
            yield provider
        finally:
            provider.stopping.set()
            server.shutdown()
            serving.join()
