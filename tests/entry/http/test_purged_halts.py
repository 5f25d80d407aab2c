"""A halt that retention removed, asked for over HTTP: who may see its job is told when it went, nobody else that it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.entry.http.service import POLICY, over
from tests.scenarios.kept import RETENTION, purged_in, use_policy, with_a_past
from tests.scenarios.steps import story
from tests.world import JOB


@pytest.mark.parametrize("seen_before", [True, False], ids=["seen before", "never seen"])
def test_a_purged_halt_is_a_404_that_says_when_it_went(tmp_path: Path, seen_before: bool) -> None:
    with story(tmp_path) as telling:
        halt = with_a_past(telling)
        use_policy(telling, f"{POLICY}retention: {RETENTION}\n")
        shop = over(telling)
        with closing(shop.client):
            if seen_before:
                assert shop.get(f"/api/halts/{halt.id}").status_code == 200
            purged_in(telling, days=100)
            for path in ("", "/evidence", "/evidence/1.json", "/evidence.md"):
                gone = shop.get(f"/api/halts/{halt.id}{path}")
                assert gone.status_code == 404, path
                assert "90 days after it was closed" in gone.text and halt.evidence_digest in gone.text
                hidden = shop.get(f"/api/halts/{halt.id}{path}", "other-reader")
                assert hidden.status_code == (403 if seen_before else 404), path
                assert "was removed" not in hidden.text and halt.evidence_digest not in hidden.text
            assert shop.get(f"/api/halts?job={JOB}&all=true").json()["halts"] == []
