"""Blobs on Azurite for the tests: a container of one's own, and the reader as it is wired up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerClient

from driftguard.adapters.readers.arm_credential import StaticToken
from driftguard.adapters.readers.blob import BlobReader
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Reading, Wanted
from driftguard.flow.resource import parse_ref
from driftguard.flow.telemetry import NO_TELEMETRY, Telemetry
from driftguard.system_clock import SystemClock
from tests.azurite.server import ACCOUNT, Azurite

HOST = f"https://{ACCOUNT}.blob.core.windows.net"


@dataclass
class Blobs:
    """A container that no other test has."""

    container: ContainerClient
    reader: BlobReader

    @property
    def url(self) -> str:
        return f"{HOST}/{self.container.container_name}"

    def put(self, name: str, data: bytes, **more: Any) -> str:
        """Write a blob, over whatever is there; its address."""
        self.container.upload_blob(name, data, overwrite=True, **more)
        return f"{self.url}/{name}"

    def read(self, *ids: str, budget: float = 20.0) -> list[Reading]:
        return list(self.reader.read([Wanted(parse_ref(text)) for text in ids], budget=budget))

    def one(self, id_: str) -> Reading:
        (reading,) = self.read(id_)
        return reading


def blob_reader(
    azurite: Azurite, clock: Clock | None = None, *, connection: str = "", telemetry: Telemetry = NO_TELEMETRY
) -> BlobReader:
    """A reader of the emulator's account."""
    return BlobReader(
        StaticToken("never sent"),
        clock or SystemClock(),
        connection=connection or azurite.connection,
        telemetry=telemetry,
    )


@contextmanager
def blobs(azurite: Azurite, telemetry: Telemetry = NO_TELEMETRY) -> Iterator[Blobs]:
    """A new container, and a reader."""
    with BlobServiceClient.from_connection_string(azurite.connection) as service:
        container = service.create_container(azurite.new_name())
        reader = blob_reader(azurite, telemetry=telemetry)
        try:
            yield Blobs(container, reader)
        finally:
            reader.close()
            container.close()
