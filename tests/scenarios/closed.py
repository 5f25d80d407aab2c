"""What the tests about failing closed share."""

from __future__ import annotations

from driftguard.flow.halt import Decision
from driftguard.guard.review import Deciding, decide, list_halts
from tests.world import DANA, ERIN, World


def allow_overwrite(shop: World) -> None:
    """Decide that the one open halt is overwritten; by two reviewers, so that it also holds for an unknown author."""
    (halt,) = list_halts(shop.guard)
    decided = decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "agreed with the network team", DANA))
    if decided.proposal:
        decide(shop.guard, Deciding(halt.id, Decision.OVERWRITE, "agreed with the network team", ERIN))
