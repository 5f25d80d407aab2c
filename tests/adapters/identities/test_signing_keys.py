"""The keys of the identity provider: kept, fetched again with care, and unavailable where they are."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from driftguard.adapters.identities.keys import SigningKeys
from driftguard.errors import DriftGuardError, NotSignedIn, Unavailable
from tests.simulators.identity_provider import MODES, TENANT, IdentityProvider, identity_provider, kid


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


def keys_of(provider: IdentityProvider, **more: Any) -> SigningKeys:
    return SigningKeys(f"{provider.address}/{TENANT}/discovery/v2.0/keys", **more)


def test_keys_are_fetched_once_for_all_threads(provider: IdentityProvider) -> None:
    keys = keys_of(provider)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: keys.find(kid(0)).key_id, range(64)))
    assert (set(found), provider.asked) == ({kid(0)}, 1)


def test_a_rotated_key_is_found_after_one_more_fetch(provider: IdentityProvider) -> None:
    keys = keys_of(provider, cooldown=0.0)
    keys.find(kid(0))
    provider.rotate()
    assert keys.find(kid(1)).key_id == kid(1)
    assert provider.asked == 2
    with pytest.raises(NotSignedIn):
        keys.find(kid(0))


def test_unknown_keys_make_one_fetch_in_a_while_at_most(provider: IdentityProvider) -> None:
    keys = keys_of(provider)
    for number in range(50):
        with pytest.raises(NotSignedIn) as caught:
            keys.find(f"forged-{number}")
        assert "forged" not in str(caught.value)
    assert provider.asked == 1
    assert keys.find(kid(0)).key_id == kid(0)


def test_keys_are_fetched_anew_when_their_time_is_over(provider: IdentityProvider) -> None:
    keys = keys_of(provider, lifespan=1e-6)
    keys.find(kid(0))
    keys.find(kid(0))
    assert provider.asked == 2


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("up", "slow", "drip")])
def test_without_keys_nobody_can_be_told(provider: IdentityProvider, mode: str) -> None:
    provider.mode = mode
    keys = keys_of(provider, failure_kept=0.0)
    with pytest.raises(Unavailable):
        keys.find(kid(0))
    provider.mode = "up"
    assert keys.find(kid(0)).key_id == kid(0)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("up", "slow", "drip")])
def test_known_keys_outlast_an_outage_and_unknown_ones_cannot_be_told(provider: IdentityProvider, mode: str) -> None:
    keys = keys_of(provider, cooldown=0.0, failure_kept=0.0)
    keys.find(kid(0))
    provider.mode = mode
    with pytest.raises(Unavailable):
        keys.find(kid(1))
    assert keys.find(kid(0)).key_id == kid(0)


def test_an_identity_provider_that_is_not_there_is_unavailable() -> None:
    with identity_provider() as gone:
        keys = keys_of(gone)
    with pytest.raises(Unavailable):
        keys.find(kid(0))


def test_a_failed_fetch_is_not_tried_again_at_once(provider: IdentityProvider) -> None:
    provider.mode = "down"
    keys = keys_of(provider)

    def fails(_: int) -> bool:
        with pytest.raises(Unavailable):
            keys.find(kid(0))
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(fails, range(64)))
    assert provider.asked == 1


def test_a_fetch_that_hangs_ends_and_holds_up_nobody_whose_key_is_known(provider: IdentityProvider) -> None:
    keys = keys_of(provider, cooldown=0.0, timeout=0.5)
    keys.find(kid(0))
    provider.mode = "slow"
    ended: list[DriftGuardError] = []

    def ask() -> None:
        try:
            keys.find(kid(1))
        except DriftGuardError as error:
            ended.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while provider.asked < 2:
        threading.Event().wait(0.001)
    assert keys.find(kid(0)).key_id == kid(0)
    assert not ended, "the other thread still waits"
    waiting.join()
    assert [type(error) for error in ended] == [Unavailable]


def test_an_answer_that_drips_ends_in_time_for_everybody_who_waits(provider: IdentityProvider) -> None:
    provider.mode = "drip"
    keys = keys_of(provider, timeout=5.0, total=0.3)

    def refused(_: int) -> bool:
        with pytest.raises(Unavailable):
            keys.find(kid(0))
        return True

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(refused, range(16)))
    assert time.monotonic() - began < 4.0, "shorter than one wait for a part of the answer"
    assert provider.asked == 1


def test_while_an_answer_drips_known_keys_are_found_and_unknown_ones_do_not_wait_for_it(
    provider: IdentityProvider,
) -> None:
    keys = keys_of(provider, cooldown=0.0, timeout=5.0, total=3.0)
    keys.find(kid(0))
    provider.mode = "drip"

    def refused(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            keys.find(f"forged-{number}")
        return time.monotonic() - began

    with ThreadPoolExecutor(9) as pool:
        waits = pool.map(refused, range(9))
        assert keys.find(kid(0)).key_id == kid(0)
        # One of them asks; the others wait for it only a moment.
        assert sorted(waits)[-2] < 2.5


def test_keys_are_fetched_again_when_an_answer_that_dripped_has_ended(provider: IdentityProvider) -> None:
    provider.mode = "drip"
    keys = keys_of(provider, total=0.2, failure_kept=0.0)
    with pytest.raises(Unavailable):
        keys.find(kid(0))
    provider.mode = "up"
    for _ in range(1000):
        try:
            assert keys.find(kid(0)).key_id == kid(0)
            return
        except Unavailable:
            threading.Event().wait(0.01)
    pytest.fail("the fetch that dripped was never given up")


def test_nothing_heavy_is_imported_before_the_first_token() -> None:
    code = (
        "import sys, driftguard.wiring, driftguard.adapters.identities as made\n"
        "made.IDENTITIES['entra']('11111111-2222-3333-4444-555555555555', ['api://x'])\n"
        "sys.exit(any(name in sys.modules for name in ('jwt', 'cryptography', 'urllib.request')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
