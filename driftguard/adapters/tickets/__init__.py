"""The ticket systems that are told of a halt, by name."""

from __future__ import annotations

from driftguard.adapters.tickets.file import FileTickets

TICKETS = {"file": FileTickets}
