"""The sources of attribution by name."""

from __future__ import annotations

from driftguard.adapters.sources.activity_log import ActivityLog

SOURCES = {"activity-log": ActivityLog}
