"""Whose telemetry it is and where it goes: from the connection string alone."""

from __future__ import annotations

import pytest

from driftguard.adapters.telemetry.connection import read_connection
from tests.adapters.telemetry.ingestion import KEY


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (f"InstrumentationKey={KEY}", "https://dc.services.visualstudio.com"),
        (f"instrumentationkey = {KEY.upper()} ; INGESTIONENDPOINT=https://westeurope-5.in.applicationinsights.azure.com/;", "https://westeurope-5.in.applicationinsights.azure.com"),
        (f"InstrumentationKey={KEY};EndpointSuffix=applicationinsights.us", "https://dc.applicationinsights.us"),
        (f"InstrumentationKey={KEY};EndpointSuffix=ai.contoso.com;Location=westus2", "https://westus2.dc.ai.contoso.com"),
        (f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:8080/;ApplicationId=x", "http://127.0.0.1:8080"),
    ],
)  # fmt: skip
def test_key_and_endpoint_are_read(text: str, endpoint: str) -> None:
    connection = read_connection(text)
    assert (connection.key, connection.endpoint) == (KEY, endpoint)
    assert KEY not in repr(connection)
    assert read_connection(connection.text) == connection
