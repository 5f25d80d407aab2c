"""Connections whose every read and write has to be done within a time: no peer holds a call up by being slow.

Rules:
- A write is cut into pieces, and each piece and each read may wait `silent` seconds: one that stands still ends.
- All of them together end when the time of the request is over: one that comes byte by byte ends too.
- The time belongs to the thread that makes the request; a connection out of the pool obeys the request that has it.

`requests` alone gives no such bound: its time for an answer begins anew with each byte, and its time to connect is also
the time for all that is sent.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Session
    from requests.adapters import HTTPAdapter

_PIECE = 64 * 1024


class Times:
    """For how long the requests of each thread may still take. Threads may share it."""

    def __init__(self, silent: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._silent = silent
        self._monotonic = monotonic
        self._of_thread = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What this thread sends and receives inside the block has to be done within so many seconds."""
        self._of_thread.until = self._monotonic() + seconds
        try:
            yield
        finally:
            del self._of_thread.until

    def left(self) -> float:
        """Seconds for which the next step may wait. Raises TimeoutError where the time is over."""
        until = getattr(self._of_thread, "until", None)
        if until is None:
            return self._silent
        left = float(until) - self._monotonic()
        if left <= 0:
            raise TimeoutError("the request takes too long")
        return min(self._silent, left)


class _TimedSocket:
    """A socket for http.client: what is not here is the socket's own."""

    def __init__(self, connected: Any, times: Times) -> None:
        self._connected = connected
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def sendall(self, data: Any) -> None:
        whole = memoryview(data).cast("B")
        for start in range(0, len(whole), _PIECE):
            self._connected.settimeout(self._times.left())
            self._connected.sendall(whole[start : start + _PIECE])

    def makefile(self, mode: str) -> io.BufferedReader:
        # The socket's own file keeps the socket open until it is closed itself.
        return io.BufferedReader(_TimedFile(self._connected.makefile(mode, buffering=0), self._connected, self._times))


class _TimedFile(io.RawIOBase):
    """What a socket receives."""

    def __init__(self, incoming: io.RawIOBase, connected: socket.socket, times: Times) -> None:
        self._incoming = incoming
        self._connected = connected
        self._times = times

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connected.settimeout(self._times.left())
        return self._incoming.readinto(buffer)

    def close(self) -> None:
        self._incoming.close()
        super().close()


def timed_session(times: Times, connections: int, *, on_this_machine: bool) -> Session:
    """A session of `requests` with room for every worker, whose connections obey the times.

    It keeps no cookie and reads no .netrc; a proxy is for Azure only.
    """
    from http.cookiejar import DefaultCookiePolicy

    import requests

    class SignedAlready(requests.auth.AuthBase):
        """Leaves the request alone. Its presence keeps `requests` from putting a .netrc password over the sign-in."""

        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            return request

    session = requests.Session()
    session.auth = SignedAlready()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not on_this_machine
    adapter = timed_adapter(times, connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def timed_adapter(times: Times, connections: int) -> HTTPAdapter:
    """An adapter for a session of `requests` whose connections obey the times, to a proxy too; it tries nothing again."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Obeying:
        """What both kinds of connections do once they are connected, and while a proxy leads them on."""

        sock: Any

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]  # reason: of the connection that this is mixed into
            self.sock = _TimedSocket(self.sock, times)

        def _tunnel(self) -> None:
            connected, self.sock = self.sock, _TimedSocket(self.sock, times)
            super()._tunnel()  # type: ignore[misc]  # reason: as above
            self.sock = connected  # TLS takes no other socket than a real one

    class Plain(Obeying, HTTPConnection):
        pass

    class Secured(Obeying, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecuredPool(HTTPSConnectionPool):
        ConnectionCls = Secured

    pools = {"http": PlainPool, "https": SecuredPool}

    class Timed(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*arguments, **options)
            manager.pool_classes_by_scheme = pools
            return manager

    return Timed(pool_connections=4, pool_maxsize=connections, max_retries=0)
