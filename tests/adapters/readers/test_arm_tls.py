"""TLS: a certificate that nobody vouches for is refused, before the token is sent."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from driftguard.adapters.readers.arm import ArmReader
from driftguard.flow.reading import Cause, Outcome, Reading, Wanted
from driftguard.flow.resource import parse_ref
from tests.adapters.readers.arm_stub import GROUP, FakeClock, json_reply, options_for, running_stub


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


def read_over_tls(certificate: Path, clock: FakeClock) -> tuple[Reading, int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running_stub(context) as stub, ArmReader(options_for(stub), clock, workers=1) as reader:
        stub.answer(GROUP, json_reply({"id": GROUP}))
        (reading,) = reader.read([Wanted(parse_ref(GROUP), "2021-04-01")], budget=600)
        return reading, len(stub.requests)


def test_an_unknown_certificate_is_refused_and_nothing_is_sent(certificate: Path, clock: FakeClock) -> None:
    reading, requests = read_over_tls(certificate, clock)
    assert (reading.cause, requests) == (Cause.NO_CONNECTION, 0) and "SSLError" in reading.detail


def test_a_certificate_that_the_machine_trusts_is_accepted(
    certificate: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    reading, requests = read_over_tls(certificate, clock)
    assert (reading.outcome, requests) == (Outcome.FOUND, 1)
