"""Blobs as guarded resources, through a whole story on Azurite: beside resources of ARM, with the real SDK."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from driftguard.adapters.readers.by_kind import ByKind
from driftguard.errors import Busy, HaltOpen, NotAllowed, WrongUse
from driftguard.flow.attribute import Actor
from driftguard.flow.check import FindingKind
from driftguard.flow.halt import Decision, State
from driftguard.flow.path import format_path
from driftguard.flow.reading import Cause, Outcome
from driftguard.flow.record import Fate
from driftguard.guard.check import Answer
from driftguard.guard.jobs import accept, show_job
from driftguard.guard.record import Naming, Recorded
from driftguard.sandbox import Sandbox
from tests.adapters.readers.blob_shop import Blobs, blob_reader, blobs
from tests.azurite.server import Azurite
from tests.scenarios.steps import ROBS_DNS, cleared, confirmed, decided, halted, held, job_row, set_dns, stored_halt
from tests.world import DANA, JOB, VNET, World, world

# No waiting, and one reviewer is enough: who writes a blob is never known.
POLICY = "version: 1\ndefaults: {{stability_gap: 0s, settle: 0s, unknown_author: allow{more}}}\n"
SETTINGS: dict[str, Any] = {
    "checkout": {"currency": "EUR", "password": "hunter2-canary"},
    "limits": [{"name": "basket", "max": 50}, {"name": "orders", "max": 9}],
}


@dataclass
class Shop:
    """A world whose reader reads blobs too."""

    world: World
    blobs: Blobs

    def put(self, name: str, content: Any, **more: Any) -> str:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.blobs.put(name, data, **more)

    def record(self, run: str | None = None, *names: str, scopes: tuple[str, ...] = ()) -> Recorded:
        return self.world.record(run, naming=Naming(resources=names, scopes=scopes))

    def check(self, run: str = "run-1", **more: Any) -> Answer:
        return self.world.check(run, **more)

    def policy(self, more: str = "") -> None:
        self.world.with_policy(POLICY.format(more=more))

    def stored(self) -> bytes:
        """Every byte that the guard left on the disk, and every body that it compressed."""
        store = self.world.guard.store
        texts = [
            row.body for name in store.partitions() for kind in store.kinds(name) for row in store.list(name, kind)
        ]
        return json.dumps(texts).encode() + b"".join(map(_unpacked, map(store.read, store.blobs(""))))


def _unpacked(data: bytes | None) -> bytes:
    data = data or b""
    return zlib.decompress(data, wbits=31) if data.startswith(b"\x1f\x8b") else data


@pytest.fixture
def shop(tmp_path: Path, azurite: Azurite) -> Iterator[Shop]:
    with world(tmp_path, sandbox=Sandbox()) as telling, blobs(azurite) as mine:
        clock = telling.guard.clock
        reader = blob_reader(azurite, clock)
        readers = {"arm": telling.guard.reader, "blob": reader}
        telling.guard = replace(telling.guard, reader=ByKind(readers, clock))
        shop = Shop(telling, mine)
        shop.policy()
        yield shop
        reader.close()


def changed(answer: Answer) -> dict[str, tuple[Any, Any]]:
    """Path, before and after of everything that counts."""
    return {
        format_path(change.path): (change.before, change.after)
        for judged in answer.judgement.judged
        for change in judged.finding.configuration
    }


def kinds(answer: Answer) -> dict[str, FindingKind]:
    return {judged.finding.ref.name: judged.finding.kind for judged in answer.judgement.judged}


def test_a_change_by_hand_halts_with_before_and_after_by_path_and_is_overwritten_as_decided(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    cleared(shop.check())
    shop.record("run-1", blob)

    shop.put("settings.json", {**SETTINGS, "checkout": {**SETTINGS["checkout"], "currency": "USD"}})
    answer = shop.check("run-2")
    halt = halted(answer)
    assert changed(answer) == {"body.checkout.currency": ("EUR", "USD")}
    found = answer.judgement.judged[0].finding
    assert found.attribution is not None
    assert (found.attribution.actor, found.attribution.covered, found.attribution.untold) == (
        Actor.UNKNOWN,
        False,
        True,
    )
    assert "currency" in shop.world.notes()[0].read_text()

    with pytest.raises(HaltOpen):
        shop.record("run-2", blob)
    decided(shop.world, halt, Decision.OVERWRITE)
    clearance = cleared(shop.check("run-2"))
    shop.put("settings.json", SETTINGS)
    recorded = shop.world.record("run-2", clearance=clearance, naming=Naming(resources=(blob,)))

    assert recorded.exit_code == 0
    assert stored_halt(shop.world, halt).state is State.RESOLVED
    assert cleared(shop.check("run-3"))


def test_an_overwrite_that_leaves_the_change_in_place_is_held(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    shop.put("settings.json", {**SETTINGS, "limits": []})
    decided(shop.world, halted(shop.check()), Decision.OVERWRITE)
    cleared(shop.check())

    assert held(shop.record("run-1", blob)).cause == "held at record"


def test_a_kept_change_survives_a_run_that_writes_something_else_in_the_same_file(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    by_hand = {**SETTINGS, "checkout": {**SETTINGS["checkout"], "currency": "USD"}}
    shop.put("settings.json", by_hand)
    halt = decided(shop.world, halted(shop.check()), Decision.KEEP)
    shop.world.checkout.commits["0ddba11"] = True
    confirmed(shop.world, halt)
    cleared(shop.check("run-2"))
    shop.put("settings.json", json.dumps({**by_hand, "new": 1}, indent=4).encode())

    assert shop.record("run-2", blob).exit_code == 0
    assert cleared(shop.check("run-3"))


@pytest.mark.parametrize("content", [b"\x00\x01binary", b"plain text", b"", b"not { json", b'"a scalar"'])
def test_content_that_is_no_json_differs_by_its_mark(shop: Shop, content: bytes) -> None:
    blob = shop.put("file", content)
    shop.record(None, blob)
    shop.put("file", content + b"!")
    answer = shop.check()

    halted(answer)
    assert set(changed(answer)) == {"contentDigest.length", "contentDigest.value"}
    before, after = changed(answer)["contentDigest.value"]
    assert before.startswith("secret:") and after.startswith("secret:") and before != after


def test_only_metadata_or_a_property_that_differs_halts_too(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS, metadata={"owner": "Shop"})
    shop.record(None, blob)
    client = shop.blobs.container.get_blob_client("settings.json")
    client.set_blob_metadata({"owner": "Rob"})
    answer = shop.check()
    halted(answer)
    assert changed(answer) == {"metadata.owner": ("Shop", "Rob")}


def test_tags_differ_without_any_sign_in_the_etag(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS, tags={"stage": "prod"})
    shop.record(None, blob)
    shop.blobs.container.get_blob_client("settings.json").set_blob_tags({"stage": "test"})
    answer = shop.check()
    halted(answer)
    assert changed(answer) == {"tags.stage": ("prod", "test")}


def test_the_same_content_written_again_is_touched_and_lets_pass(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    shop.put("settings.json", json.dumps(SETTINGS, indent=2, sort_keys=True).encode())
    answer = shop.check()

    cleared(answer)
    assert kinds(answer) == {"settings.json": FindingKind.TOUCHED}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1, "b": None}, {"a": 1}),
        ({"a": 1, "b": []}, {"a": 1}),
        ({"a": 1, "b": {}}, {"a": 1, "b": None}),
        ([{"name": "x"}, {"name": "a"}], [{"name": "a"}, {"name": "x"}]),
        ({"at": "2026-01-01T00:00:00Z"}, {"at": "2026-01-01T01:00:00+01:00"}),
    ],
)
def test_what_would_be_one_and_the_same_to_azure_is_two_contents_of_a_file(shop: Shop, before: Any, after: Any) -> None:
    blob = shop.put("settings.json", before)
    shop.record(None, blob)
    shop.put("settings.json", after)

    halted(shop.check())


def test_a_lease_is_no_change(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    lease = shop.blobs.container.get_blob_client("settings.json").acquire_lease()
    answer = shop.check()
    lease.release()

    cleared(answer)
    assert kinds(answer) == {"settings.json": FindingKind.UNCHANGED}


def test_a_state_in_a_file_of_ones_own_is_no_operation_that_runs(shop: Shop) -> None:
    blob = shop.put("settings.json", {"properties": {"provisioningState": "Updating"}})
    shop.record(None, blob)

    assert kinds(shop.check()) == {"settings.json": FindingKind.UNCHANGED}


def test_a_blob_that_is_gone_halts_and_so_does_its_container_as_one_finding(shop: Shop) -> None:
    first, second = shop.put("A.json", SETTINGS), shop.put("a.json", SETTINGS)
    shop.record(None, first, second)
    shop.blobs.container.delete_blob("A.json")
    answer = shop.check()
    halt = halted(answer)
    assert kinds(answer) == {"A.json": FindingKind.GONE, "a.json": FindingKind.UNCHANGED}

    shop.blobs.container.delete_container()
    answer = shop.check("run-2")
    (finding,) = [judged.finding for judged in answer.judgement.judged]
    assert halted(answer).id != halt.id
    assert (finding.kind, finding.ref.id) == (FindingKind.GONE, shop.blobs.url)
    assert finding.covers == (first, second)
    assert "container is gone" in finding.detail


def test_secrets_in_a_blob_and_digests_that_would_tell_them_are_never_stored(shop: Shop) -> None:
    canary = "hunter2-canary"
    settings, text = shop.put("settings.json", SETTINGS), shop.put("note.txt", canary.encode())
    shop.record(None, settings, text)
    shop.put("note.txt", canary.encode() + b"2")
    shop.put("settings.json", {**SETTINGS, "checkout": {"password": canary + "2"}})
    answer = shop.check()
    halted(answer)
    assert "body.checkout.password" in changed(answer)

    kept = shop.stored() + b"".join(path.read_bytes() for path in shop.world.folder.rglob("*") if path.is_file())
    assert b"body" in kept and b"contentDigest" in kept
    for word in (canary, canary + "2"):
        digests = [hashlib.new(name, word.encode()).hexdigest() for name in ("sha256", "md5")]
        for hidden in (word, *digests):
            assert hidden.encode() not in kept


def test_a_job_of_arm_resources_and_blobs_halts_for_either_and_the_log_answers_for_its_own(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, VNET, blob)
    set_dns(shop.world, ROBS_DNS)
    shop.put("settings.json", {})
    answer = shop.check()

    halted(answer)
    found = {judged.finding.ref.kind: judged.finding for judged in answer.judgement.judged}
    arm, other = found["arm"].attribution, found["blob"].attribution
    assert arm is not None and other is not None
    assert (arm.actor, arm.untold) == (Actor.PERSON, False)
    assert (other.actor, other.covered, other.why) == (Actor.UNKNOWN, False, "no source tells who writes a blob")


def test_arm_resources_beside_a_blob_are_covered_as_they_are_without_it(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, VNET, blob)
    set_dns(shop.world, ROBS_DNS)
    (item,) = [one for one in shop.check().judgement.judged if one.finding.ref.kind == "arm"]

    assert item.finding.attribution is not None
    assert item.finding.attribution.covered


def test_a_policy_that_passes_over_unknown_authors_does_not_pass_over_what_nobody_will_ever_tell(shop: Shop) -> None:
    shop.policy(", on_drift: {unknown: warn}")
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    shop.put("settings.json", {})

    halted(shop.check())


class TestBetweenClearanceAndRecord:
    """No source tells who wrote a blob: the run's own word counts for what it names, and for nothing else."""

    def test_what_the_run_names_is_taken_over_and_told(self, shop: Shop) -> None:
        blob = shop.put("settings.json", SETTINGS)
        shop.record(None, blob)
        cleared(shop.check())
        shop.put("settings.json", {"release": 2})
        recorded = shop.record("run-1", blob)

        assert recorded.exit_code == 0
        assert [item.fate for item in recorded.taken] == [Fate.RECORDED]
        assert not recorded.taken[0].proven
        assert any("taken over because this run names them" in line for line in recorded.told)
        assert job_row(shop.world).window is None
        assert not job_row(shop.world).pending
        assert cleared(shop.check("run-2"))

    def test_a_container_that_the_run_names_names_its_blobs(self, shop: Shop) -> None:
        shop.put("settings.json", SETTINGS)
        shop.record(None, scopes=(shop.blobs.url,))
        cleared(shop.check())
        shop.put("settings.json", {"release": 2})
        shop.put("new.json", {})

        assert shop.record("run-1", scopes=(shop.blobs.url,)).exit_code == 0
        assert kinds(shop.check("run-2")) == {"settings.json": FindingKind.UNCHANGED, "new.json": FindingKind.UNCHANGED}

    def test_what_only_an_earlier_record_named_keeps_its_old_snapshot_and_halts(self, shop: Shop) -> None:
        shop.put("settings.json", SETTINGS)
        shop.record(None, scopes=(shop.blobs.url,))
        cleared(shop.check())
        shop.put("settings.json", {"by": "hand"})
        recorded = shop.record("run-1")

        assert [item.fate for item in recorded.taken] == [Fate.UNTOUCHED]
        assert any("that this run does not name" in line for line in recorded.told)
        halted(shop.check("run-2"))

    def test_arm_resources_beside_it_are_still_recorded_with_nothing_named(self, shop: Shop) -> None:
        blob = shop.put("settings.json", SETTINGS)
        shop.record(None, VNET, blob)
        cleared(shop.check())
        fates = {item.seen.finding.ref.kind: item.fate for item in shop.record("run-1").taken}

        assert fates == {"arm": Fate.RECORDED, "blob": Fate.UNTOUCHED}

    def test_what_is_gone_is_held_at_once_and_can_be_kept(self, shop: Shop) -> None:
        blob, other = shop.put("settings.json", SETTINGS), shop.put("other.json", SETTINGS)
        shop.record(None, blob, other)
        cleared(shop.check())
        shop.blobs.container.delete_blob("settings.json")
        halt = held(shop.record("run-1", blob, other))
        assert not job_row(shop.world).pending

        assert decided(shop.world, halt, Decision.KEEP).state is State.KEPT


def test_an_unreadable_blob_is_accepted_later_only_as_it_was_recorded(shop: Shop) -> None:
    blob, other = shop.put("settings.json", SETTINGS), shop.put("other.json", SETTINGS)
    shop.record(None, blob, other)
    cleared(shop.check())
    real = shop.world.guard.reader
    shop.world.guard = replace(shop.world.guard, reader=Blind(real, blob))
    assert {i.fate for i in shop.record("run-1", blob, other).taken} == {Fate.RECORDED, Fate.PENDING}
    shop.put("settings.json", {"by": "hand"})
    shop.world.guard = replace(shop.world.guard, reader=real)

    halted(shop.check("run-2"))
    assert not job_row(shop.world).pending


def test_an_unreadable_blob_that_is_as_it_was_is_accepted_at_once(shop: Shop) -> None:
    blob, other = shop.put("settings.json", SETTINGS), shop.put("other.json", SETTINGS)
    shop.record(None, blob, other)
    cleared(shop.check())
    real = shop.world.guard.reader
    shop.world.guard = replace(shop.world.guard, reader=Blind(real, blob))
    shop.record("run-1", blob, other)
    shop.world.guard = replace(shop.world.guard, reader=real)

    assert cleared(shop.check("run-2"))


@pytest.mark.parametrize("first", [True, False])
def test_a_new_blob_that_could_not_be_read_at_its_record_is_not_accepted_later_but_halts_until_a_record_names_it(
    shop: Shop, first: bool
) -> None:
    blob, other = shop.put("settings.json", SETTINGS), shop.put("other.json", SETTINGS)
    if not first:
        shop.record(None, other)
        cleared(shop.check("run-0"))
    real = shop.world.guard.reader
    shop.world.guard = replace(shop.world.guard, reader=Blind(real, blob))
    recorded = shop.record(None if first else "run-0", blob, other)
    assert {item.seen.finding.ref.name: item.fate for item in recorded.taken}["settings.json"] is Fate.PENDING
    shop.put("settings.json", {"by": "hand"})
    shop.world.guard = replace(shop.world.guard, reader=real)

    with pytest.raises(Busy):
        shop.check("run-1")
    shop.world.guard.clock.sleep(3600)
    answer = shop.check("run-1")
    halt = halted(answer)
    assert kinds(answer)["settings.json"] is FindingKind.UNREADABLE
    (told,) = [one.finding.detail for one in answer.judgement.judged if one.finding.ref.id == blob]
    assert "name it in a record again" in told

    decided(shop.world, halt, Decision.WAIVE, resources=(blob,))
    cleared(shop.check("run-1"))
    passed_over = shop.record("run-1", other)
    assert {item.seen.finding.ref.name: item.fate for item in passed_over.taken}["settings.json"] is Fate.PENDING
    shop.world.guard.clock.sleep(3600)

    decided(shop.world, halted(shop.check("run-2")), Decision.WAIVE, resources=(blob,))
    cleared(shop.check("run-2"))
    named = shop.record("run-2", blob, other)
    assert {item.fate for item in named.taken} == {Fate.RECORDED}
    assert not job_row(shop.world).pending
    assert cleared(shop.check("run-3"))


def test_a_kept_change_that_the_run_does_not_name_is_not_told_as_named(shop: Shop) -> None:
    blob, other = shop.put("settings.json", SETTINGS), shop.put("other.json", SETTINGS)
    shop.record(None, blob, other)
    shop.put("settings.json", {**SETTINGS, "by": "hand"})
    halt = decided(shop.world, halted(shop.check()), Decision.KEEP)
    shop.world.checkout.commits["0ddba11"] = True
    confirmed(shop.world, halt)
    cleared(shop.check("run-2"))
    recorded = shop.record("run-2", other)

    assert recorded.exit_code == 0
    assert {item.fate for item in recorded.taken} == {Fate.RECORDED}
    assert not [line for line in recorded.told if "names them" in line]
    assert cleared(shop.check("run-3"))


@pytest.mark.parametrize("named", [True, False])
def test_a_proposal_with_a_changed_blob_takes_two_reviewers_since_nobody_knows_who_changed_it(
    shop: Shop, named: bool
) -> None:
    shop.world.with_policy("version: 1\ndefaults: {stability_gap: 0s, settle: 0s}\n")
    blob, other = shop.put("settings.json", SETTINGS), shop.put("other.json", SETTINGS)
    shop.record(None, blob, other)
    shop.put("settings.json", {"by": "hand"})
    proposal = shop.record(None, *([blob] if named else [])).proposal or ""

    for _ in range(2):
        with contextlib.suppress(NotAllowed):
            accept(shop.world.guard, JOB, proposal, by=DANA, reason="it is what we want")
        halted(shop.check("run-1"))
    accept(shop.world.guard, JOB, proposal, by=type(DANA)("erin@contoso.com"), reason="it is")

    assert cleared(shop.check("run-1"))


def test_a_proposal_with_a_new_blob_takes_two_reviewers_too(shop: Shop) -> None:
    shop.world.with_policy("version: 1\ndefaults: {stability_gap: 0s, settle: 0s}\n")
    blob = shop.put("settings.json", SETTINGS)
    shop.record(None, blob)
    new = shop.put("new.json", SETTINGS)
    proposal = shop.record(None, new).proposal or ""
    accept(shop.world.guard, JOB, proposal, by=DANA, reason="it is what we want")

    assert new not in {ref.id for ref in recorded_refs(shop)}
    accept(shop.world.guard, JOB, proposal, by=type(DANA)("erin@contoso.com"), reason="it is")
    assert new in {ref.id for ref in recorded_refs(shop)}


def recorded_refs(shop: Shop) -> list[Any]:
    """What the job's baseline holds."""
    baseline = show_job(shop.world.guard, JOB).baseline
    return [entry.ref for entry in baseline.entries.values()] if baseline else []


def test_blobs_that_nobody_recorded_are_told_and_halt_where_the_policy_says_so(shop: Shop) -> None:
    shop.put("settings.json", SETTINGS)
    shop.record(None, scopes=(shop.blobs.url,))
    shop.put("stranger.json", {})
    assert kinds(shop.check())["stranger.json"] is FindingKind.UNMANAGED
    shop.world.guard = replace(shop.world.guard)
    shop.policy(", on_unmanaged: halt")

    halted(shop.check("run-1"))


def test_the_scopes_of_a_policy_bound_blobs_too(shop: Shop, azurite: Azurite) -> None:
    blob = shop.put("settings.json", SETTINGS)
    mine = f'jobs: [{{match: "*", scopes: ["{shop.blobs.url}"]}}]\n'
    shop.world.with_policy(POLICY.format(more="") + mine)
    shop.record(None, blob)
    shop.world.with_policy(POLICY.format(more="") + mine.replace(shop.blobs.url, shop.blobs.url + "-2"))

    with pytest.raises(NotAllowed):
        shop.world.record(None, naming=Naming(resources=(blob,)), job="other")


def test_a_container_is_no_blob_and_a_blob_no_deployment(shop: Shop) -> None:
    blob = shop.put("settings.json", SETTINGS)
    with pytest.raises(WrongUse, match="is a container"):
        shop.record(None, shop.blobs.url)
    with pytest.raises(WrongUse):
        shop.world.record(None, naming=Naming(deployments=(blob,)))


class Blind(ByKind):
    """A reader that cannot read one of them."""

    def __init__(self, real: Any, id_: str) -> None:
        self._real, self._id = real, id_

    def read(self, wanted: Any, *, budget: float) -> Iterator[Any]:
        for reading in self._real.read(wanted, budget=budget):
            if reading.ref.id == self._id:
                yield replace(reading, outcome=Outcome.UNREADABLE, body=None, cause=Cause.THROTTLED)
            else:
                yield reading

    def members(self, scope: Any) -> Any:
        return self._real.members(scope)

    def deployment(self, ref: Any) -> Any:
        return self._real.deployment(ref)

    def tenant_of(self, subscription: str) -> str:
        return str(self._real.tenant_of(subscription))
