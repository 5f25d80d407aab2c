"""The mode of a job over HTTP: as the policy of now says, and part of the ETag."""

from __future__ import annotations

from dataclasses import replace

from driftguard.entry.http.problems import of_error
from driftguard.errors import BadConfiguration, StoreUnavailable
from driftguard.flow.policy import Policy
from driftguard.guard.jobs import show_job
from tests.entry.http.service import POLICY, Shop
from tests.world import JOB


def test_the_mode_is_told_and_changes_the_tag_without_a_write_to_the_job(shop: Shop) -> None:
    path = f"/api/jobs/{JOB}"
    before = shop.get(path)
    assert (before.json()["mode"], shop.get("/api/jobs").json()["jobs"][0]["mode"]) == ("enforce", "enforce")
    tag = before.headers["etag"]
    assert shop.get(path, If_None_Match=tag).status_code == 304
    shop.telling.with_policy(POLICY.replace('"shop-*"\n', '"shop-*"\n    mode: observe\n'))
    after = shop.get(path, If_None_Match=tag)
    assert (after.status_code, after.json()["mode"], after.json()["version"]) == (
        200,
        "observe",
        before.json()["version"],
    )
    assert after.headers["etag"] != tag


def test_where_the_policy_cannot_be_loaded_the_mode_is_not_known(shop: Shop) -> None:
    def wrong() -> Policy:
        raise BadConfiguration("wrong", "correct it")

    assert show_job(replace(shop.telling.guard, policy=wrong), JOB).mode is None


def test_what_is_wrong_with_the_settings_is_not_to_be_tried_again() -> None:
    assert of_error(BadConfiguration("x", "y"), "c")["title"].startswith("tell the service's operator")
    assert of_error(StoreUnavailable("x", "y"), "c")["title"].startswith("try again later")
