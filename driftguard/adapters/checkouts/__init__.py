"""What is known of the source code that a run was started from, by name."""

from __future__ import annotations

from driftguard.adapters.checkouts.git import GitCheckout

CHECKOUTS = {"git": GitCheckout}
