"""Identity providers by name: how a service knows who calls."""

from __future__ import annotations

from driftguard.adapters.identities.entra import Entra

IDENTITIES = {"entra": Entra}
