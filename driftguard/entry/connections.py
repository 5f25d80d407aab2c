"""Connections of `driftguard serve`: however many send nothing, or half a request, everybody else is answered.

Rules:
- A connection that has sent no whole head of a request within seconds is closed: its first one, and each one after it.
- At most so many connections are open. Beyond that the one that has waited longest without a request is closed for the new one,
  so that nobody is refused for what others do not send.
- What a request's answer waits for (its body, the work) is not bounded here: it was admitted before its body is read.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
MOST = 500  # half of the 1024 files that a process may have open at first


class BoundedH11(H11Protocol):
    """uvicorn's protocol with the bounds above."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # reason: as uvicorn's own
        super().connection_made(transport)
        self._await_head()
        others = (one for one in self.connections if isinstance(one, BoundedH11) and one is not self and one.is_idle)
        if len(self.connections) > MOST and (oldest := min(others, key=lambda one: one.since, default=None)):
            self.connections.discard(oldest)
            oldest.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no request of this connection is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def since(self) -> float:
        """When it began to wait for a request, in the loop's seconds."""
        return self._head.when() if self._head else 0.0

    def handle_events(self) -> None:
        super().handle_events()
        if not self.is_idle:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.is_idle and not self.transport.is_closing():
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._stop_waiting()
        self._head = self.loop.call_later(HEAD_SECONDS, self._close_idle)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _close_idle(self) -> None:
        self._head = None
        if self.is_idle and not self.transport.is_closing():
            self.transport.close()
