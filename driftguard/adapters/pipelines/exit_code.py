"""Tells a run by the exit code of the command itself: what works in every pipeline, without an address or a credential."""

from __future__ import annotations

from driftguard.flow.ports import Note, Receipt, Target


class ExitCode(Target):
    """The command that met the halt has ended, or will end, with exit code 1; there is nothing to send."""

    name = "exit-code"
    claim = 0.0

    def deliver(self, note: Note) -> Receipt:
        """Where the run is told. Never raises."""
        return Receipt("the exit code of the run's own command (1 while it is halted)", amended=False)
