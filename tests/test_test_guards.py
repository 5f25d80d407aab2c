"""The guards of conftest.py hold."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ELSEWHERE = "192.0.2.1"  # RFC 5737: an address for documentation, nobody's


TAKEN_AWAY = ["CI", "TF_BUILD", "GITHUB_ACTIONS", "DRIFTGUARD_STORE", "AZURE_CLIENT_ID"]


def test_no_variable_of_a_ci_system_or_of_azure_reaches_a_test() -> None:
    assert not set(TAKEN_AWAY) & set(os.environ)


def test_so_it_is_where_they_were_set_before() -> None:
    inner = "test_no_variable_of_a_ci_system_or_of_azure_reaches_a_test"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{inner}"],
        cwd=Path(__file__).parents[1],
        env=os.environ | dict.fromkeys(TAKEN_AWAY, "true"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_a_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as tcp, pytest.raises(RuntimeError, match="loopback only"):
        tcp.connect((ELSEWHERE, 443))


def test_a_datagram_to_another_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(RuntimeError, match="loopback only"):
        udp.sendto(b"", (ELSEWHERE, 53))


def test_looking_up_another_host_is_refused() -> None:
    with pytest.raises(RuntimeError, match="loopback only"):
        socket.getaddrinfo("management.azure.com", 443)


def test_loopback_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = threading.Thread(target=lambda: server.accept()[0].close())
        answer.start()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
        answer.join()
