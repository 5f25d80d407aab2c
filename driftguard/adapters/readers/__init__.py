"""The readers by kind of resource."""

from __future__ import annotations

from driftguard.adapters.readers.arm import ArmReader

READERS = {"arm": ArmReader}
