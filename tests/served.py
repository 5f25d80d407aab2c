"""The service over a real server on loopback, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from driftguard.adapters.identities.local_token import LocalToken
from driftguard.entry.api import create_app
from driftguard.entry.http.service import Service
from driftguard.guard.context import Guard

TOKEN = "a-token-of-the-tests-that-is-long-enough"


@contextmanager
def served(guard: Callable[[], Guard], *, user: str = "local-user", answer_within: float = 20.0) -> Iterator[str]:
    """The address of a service over this guard, which lets in whoever has TOKEN."""
    service = Service(guard, LocalToken(TOKEN, user), answer_within=answer_within)
    config = uvicorn.Config(create_app(service), log_config=None, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    # The protocol is named: only then does asyncio send an answer without delay.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
