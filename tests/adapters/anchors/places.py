"""Places for anchors on Azurite. The container is made here, as a deployment makes it; the product never does."""

from __future__ import annotations

from azure.storage.blob import ContainerClient

from driftguard.adapters.anchors.azure import AzureAnchors
from driftguard.adapters.readers.arm_credential import StaticToken
from tests.azurite.server import ACCOUNT, Azurite


def new_container(azurite: Azurite) -> str:
    """The name of a container that no other test has."""
    name = azurite.new_name()
    with ContainerClient.from_connection_string(azurite.connection, name) as container:
        container.create_container()
    return name


def azure_anchors(azurite: Azurite, container: str) -> AzureAnchors:
    """The place for anchors in this container."""
    address = f"azure://{ACCOUNT}/{container}"
    return AzureAnchors(address, StaticToken("unused"), connection=azurite.connection)
