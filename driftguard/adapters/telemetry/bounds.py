"""How many different jobs are told by name, and how many series that can make at most.

Every combination of attributes is a time series of its own, for which somebody pays.
"""

from __future__ import annotations

import threading

from driftguard.flow.telemetry import ALL, OTHER

MOST_JOBS = 500
MOST_SERIES = 25_000
"""More than one metric can have: each of so many jobs with every verdict in every mode. It reserves nothing."""


class JobNames:
    """The jobs that are told by name: the first ones that were met in this process; all others are `other`."""

    def __init__(self, most: int = MOST_JOBS) -> None:
        self._most = most
        self._turn = threading.Lock()
        self._known = {ALL, OTHER}

    def bounded(self, attributes: dict[str, str]) -> dict[str, str]:
        """The attributes with a job that is told by name."""
        job = attributes.get("job")
        if job is None or self._is_known(job):
            return attributes
        return {**attributes, "job": OTHER}

    def _is_known(self, job: str) -> bool:
        with self._turn:
            if job not in self._known and len(self._known) < self._most + 2:
                self._known.add(job)
            return job in self._known
