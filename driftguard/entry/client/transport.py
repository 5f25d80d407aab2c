"""HTTP to the service with `requests`.

Rules:
- No redirect is followed, no cookie kept, no .netrc read; TLS certificates are always verified.
- Every call has a time to connect, a time between two pieces of the answer, and a time for all of it, whatever comes meanwhile:
  another thread exchanges, and is left alone when the time is over. An answer is read up to 64 MB.
- A call is sent again only where no connection was made, so that nothing is asked for twice. A GET also where its
  connection broke before the answer.
- A session is used by one call at a time, and by no other after a call that was left alone.
"""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from driftguard import __version__
from driftguard.entry.client.address import Address
from driftguard.entry.client.exchange import Answer, Request
from driftguard.entry.client.sign_in import SignIn
from driftguard.errors import DriftGuardError, Unavailable
from driftguard.flow.ports import Clock

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # the service answers within 20 s, if only with 202; the rest is for a cold start
ALL_SECONDS = 180.0
MOST_BYTES = 64 * 1024 * 1024
TRIES = 3
_PAUSE_SECONDS = 1.0
_PIECE = 65_536


class Transport:
    """Sends requests to one service. Safe across threads."""

    def __init__(self, address: Address, sign_in: SignIn, clock: Clock, *, read_seconds: float = READ_SECONDS) -> None:
        self.address = address
        self._sign_in = sign_in
        self._clock = clock
        self._timeouts = (CONNECT_SECONDS, read_seconds)
        self._lock = threading.Lock()
        self._idle: list[requests.Session] = []
        self._all: list[requests.Session] = []

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises Unavailable, BadConfiguration."""
        secrets = self._sign_in.headers()
        left = TRIES if request.again or request.method == "GET" else 1
        while True:
            left -= 1
            try:
                return self._once(request, dict(secrets))
            except _Again as failed:
                if not left:
                    raise failed.error from None
            self._clock.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            sessions, self._all, self._idle = self._all, [], []
        for session in sessions:
            session.close()

    def _once(self, request: Request, headers: dict[str, str]) -> Answer:
        """One exchange, on a thread of its own: no timeout of a socket ends an answer that comes byte by byte."""
        future: Future[Answer] = Future()
        over = threading.Event()
        # Daemon: an exchange that was left alone must not keep the process from ending.
        threading.Thread(target=self._exchanged, args=(request, headers, future, over), daemon=True).start()
        try:
            return future.result(ALL_SECONDS)
        except TimeoutError:  # of the waiting: one of the exchange itself is told as Unavailable
            raise Unavailable(f"the service's answer took longer than {ALL_SECONDS:g} s", "try again") from None
        finally:
            over.set()

    def _exchanged(
        self, request: Request, headers: dict[str, str], future: Future[Answer], over: threading.Event
    ) -> None:
        try:
            session = self._session()
            answer = self._exchange(session, request, headers, over)
        except BaseException as error:  # noqa: BLE001  # reason: whoever waits for the future gets it
            future.set_exception(error)
            return
        with self._lock:
            if session in self._all:  # else the transport was closed meanwhile
                self._idle.append(session)
        future.set_result(answer)

    def _exchange(
        self, session: requests.Session, request: Request, headers: dict[str, str], over: threading.Event
    ) -> Answer:
        import requests

        correlation = uuid.uuid4().hex
        headers |= {"X-Correlation-Id": correlation, "Accept": "application/json, application/problem+json"}
        data: bytes | None = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(request.body, allow_nan=False).encode("ascii")
        if request.if_match is not None:
            headers["If-Match"] = f'"{request.if_match}"'
        try:
            with session.request(
                request.method,
                self.address.base + request.path,
                data=data,
                headers=headers,
                timeout=self._timeouts,
                allow_redirects=False,
                verify=True,
                stream=True,
                proxies=self._proxies(),
            ) as response:
                body = _read(response, over)
                fields = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, fields, body, correlation)
        except requests.exceptions.RequestException as error:
            failed = self._unavailable(error)
            if _may_be_sent_again(error, request.method):
                raise _Again(failed) from None
            raise failed from None
        except (ValueError, OSError) as error:  # urllib3 lets a few of its own through, such as for a broken address
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> Unavailable:
        # The text of such an error can hold the address of a proxy with its password: only its kind is told.
        return Unavailable(
            f"no whole answer came from the service at {self.address.base} ({type(error).__name__})",
            "check DRIFTGUARD_SERVER and that the service runs, then try again",
        )

    def _proxies(self) -> dict[str, str]:
        """A proxy is for other machines; certificates that the environment names count for this one too."""
        return {"no_proxy": urlsplit(self.address.base).hostname or ""} if self.address.loopback else {}

    def _session(self) -> requests.Session:
        """A session that no call uses."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            session = _new_session()
            self._all.append(session)
            return session


def _read(response: requests.Response, over: threading.Event) -> bytes:
    """The body. Raises Unavailable where it is too large, or nobody waits for it any more."""
    pieces, size = [], 0
    for piece in response.iter_content(_PIECE):
        size += len(piece)
        if size > MOST_BYTES:
            raise Unavailable("the service's answer is larger than 64 MB", "ask for less, or ask its owner")
        if over.is_set():
            raise Unavailable("nobody waits for this answer any more", "try again")
        pieces.append(piece)
    return b"".join(pieces)


class _Again(Exception):
    """A call that may be sent again; `error` is told where all tries failed."""

    def __init__(self, error: DriftGuardError) -> None:
        super().__init__()
        self.error = error


def _may_be_sent_again(error: Exception, method: str) -> bool:
    """Whether the service cannot have done anything for the call that failed."""
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError

    if isinstance(error, (requests.exceptions.SSLError, requests.exceptions.ProxyError)):
        return False
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if not isinstance(error, requests.exceptions.ConnectionError):
        return False
    cause: Any = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError) or (method == "GET" and not isinstance(cause, ReadTimeoutError))


def _new_session() -> requests.Session:
    from http.cookiejar import DefaultCookiePolicy

    import requests

    class BearerOnly(requests.auth.AuthBase):
        """Leaves the request alone. Its presence keeps `requests` from putting a .netrc password over the token."""

        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            return request

    session = requests.Session()
    session.auth = BearerOnly()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = f"driftguard/{__version__}"
    session.headers["Accept-Encoding"] = "identity"
    return session
