"""Where measurements of the guard's own work go, by name."""

from __future__ import annotations

from driftguard.adapters.telemetry.azure_monitor import AzureMonitor

TELEMETRY = {"azure-monitor": AzureMonitor}
