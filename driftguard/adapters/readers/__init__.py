"""The readers by kind of resource."""

from __future__ import annotations

from driftguard.adapters.readers.arm import ArmReader
from driftguard.adapters.readers.blob import BlobReader

READERS = {"arm": ArmReader, "blob": BlobReader}
