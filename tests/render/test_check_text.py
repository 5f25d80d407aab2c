from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from driftguard.errors import CannotTell
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.decide import Action, Judged, Verdict
from driftguard.flow.diff import MISSING
from driftguard.flow.evidence import Coverage
from driftguard.flow.halt import State
from driftguard.flow.record import Fate, Provenance
from driftguard.guard.accepting import Taken
from driftguard.guard.observe import Seen
from driftguard.guard.record import Recorded
from driftguard.render.json_views import check_view, record_view
from driftguard.render.text import check_text, error_text, record_text
from tests.render import told
from tests.render.told import GONE_GROUP, HALT, HALTING, HOSTILE, MOVED, NOW, NSG, TOLD, UNCLEAR, answer, halt

UNCHANGED = Judged(Finding(told.ref(NSG), FindingKind.UNCHANGED), Action.PROCEED, "nothing differs")


def of_halt(**more: Any) -> str:
    return check_text(check_view(answer(halt=halt(), **more)))


def test_a_halt_begins_with_the_word_the_job_and_the_run() -> None:
    assert of_halt().startswith(
        "HALT job shop-prod, run 4711: halted (h-0123456789ab): waits for a reviewer's decision\n"
    )


def test_a_halt_names_the_resource_and_every_configuration_change() -> None:
    text = of_halt()
    assert "nsg-web (Microsoft.Network/networkSecurityGroups) in rg-shop was changed" in text
    assert "  properties.securityRules[name=allow-ssh]: list element added: {" in text
    assert '  tags.owner: "shop" -> (none)' in text
    assert "  properties.adminPassword: (secret aaaaaaaa…) -> (secret bbbbbbbb…)" in text


def test_a_removed_list_element_is_told_as_such() -> None:
    removed = replace(MOVED, changes=(told.change("properties.subnets[name=a]", {"name": "a"}, MISSING),))
    text = check_text(check_view(answer(judged=(Judged(removed, Action.HALT, "x"),), halt=halt())))
    assert '  properties.subnets[name=a]: list element removed: {"name": "a"}' in text


def test_a_halt_says_who_did_it_with_what_when_and_how_sure() -> None:
    said = "by ada@example.com (a person) with Azure portal at 2026-03-01 02:14:07 UTC, certain (activity-log)"
    assert said in of_halt()


def who_wrote(who: str, *callers: str) -> str:
    """The line of a halt whose writers were these callers, the first of them being named as `who`."""
    events = tuple(told.event(caller, NOW - timedelta(minutes=place)) for place, caller in enumerate(callers))
    found = replace(told.attribution(who), writers=events)
    text = check_text(
        check_view(answer(judged=(Judged(replace(MOVED, attribution=found), Action.HALT, "x"),), halt=halt()))
    )
    return next(line for line in text.splitlines() if line.startswith(f"  by {who}"))


def test_one_writer_under_a_label_and_with_many_events_is_one_writer() -> None:
    assert "more wrote" not in who_wrote("release pipeline", "aaaaaaaa-0001", "aaaaaaaa-0001", "AAAAAAAA-0001")


def test_every_other_writer_is_counted_once() -> None:
    line = who_wrote("release pipeline", "aaaaaaaa-0001", "bo@example.com", "Bo@example.com", "cy@example.com")
    assert line.endswith("; 2 more wrote as well")


def test_an_unrecorded_and_an_unmanaged_resource_are_told_once() -> None:
    named = Finding(
        told.ref(NSG), FindingKind.UNRECORDED, detail="named, but never recorded: the next record takes it in"
    )
    strange = Finding(told.ref(NSG), FindingKind.UNMANAGED, detail="in the job's scope, never recorded")
    for finding in (named, strange):
        text = check_text(check_view(answer(judged=(Judged(finding, Action.HALT, "x"),), halt=halt())))
        [line] = [line for line in text.splitlines() if line.startswith("nsg-web")]
        assert line.count("never recorded") == 1


def test_an_unknown_author_is_said_with_the_reason_and_the_time_between() -> None:
    unknown = replace(MOVED, attribution=told.nobody())
    text = check_text(check_view(answer(judged=(Judged(unknown, Action.HALT, "on_drift.unknown: halt"),), halt=halt())))
    assert "by nobody known: no event yet; activity-log may still tell" in text
    assert "between 2026-03-01 01:14:07 UTC and 2026-03-01 02:19:07 UTC" in text


def test_noise_is_told_as_noise_with_its_rule() -> None:
    noise = of_halt().split("Also moved, and not held against anybody:\n")[1].split("\n\n")[0]
    assert "nsg-web: properties.provisioningState (written by ARM)" in noise
    assert "vmss-shop: sku.capacity (ignored by the rule autoscale decides the capacity)" in noise
    assert "allow-ssh" not in noise


def test_a_change_that_the_policy_lets_be_is_noise_with_its_values() -> None:
    let_be = Judged(replace(MOVED, ref=told.ref(told.VAULT)), Action.TELL, "on_drift.azure_policy: warn")
    assert 'kv-shop: tags.owner: "shop" -> (none) (on_drift.azure_policy: warn)' in of_halt(judged=(HALTING, let_be))


def test_what_was_not_read_is_said() -> None:
    text = of_halt()
    assert "kv-shop: forbidden AuthorizationFailed" in text
    assert "of every resource: secrets" in text
    assert "not listed whole:" in text


def test_parts_that_no_body_holds_are_said_once_for_all_types() -> None:
    parts = {"A.B/nets": ("locks", "peerings"), "A.B/rules": ("locks",)}
    text = of_halt(coverage=Coverage(parts=parts))
    assert "Not read:\n  of every resource: locks\n  of A.B/nets: peerings\n\n" in text


def test_the_next_steps_come_last_as_commands() -> None:
    steps = of_halt().split("\nNext:\n")[1]
    for decided in ("keep", "overwrite", "stop"):
        assert f'driftguard halts decide {HALT} {decided} --reason "…"' in steps
    assert f"driftguard halts show {HALT} --evidence" in steps


def test_the_parts_of_a_halt_stand_in_their_order() -> None:
    text = of_halt(told=("a rule expires soon",))
    marks = ("HALT", "was changed", "by ada", "Also moved", "Not read", "a rule expires soon", "Next:")
    assert [text.index(mark) for mark in marks] == sorted(text.index(mark) for mark in marks)


def test_a_missing_resource_group_names_what_it_took_with_it() -> None:
    text = check_text(check_view(answer(judged=(Judged(GONE_GROUP, Action.HALT, "gone"),), halt=halt())))
    assert "rg-shop (Microsoft.Resources/resourceGroups) is gone" in text
    assert "\n  nsg-web\n  kv-shop\n" in text


@pytest.mark.parametrize(
    "judged", [(UNCHANGED,), (UNCHANGED, TOLD), (UNCHANGED, *[replace(TOLD, reason=f"r{n}") for n in range(60)])]
)
@pytest.mark.parametrize("warnings", [(), ("one", "two", "three\nlines")])
def test_a_proceed_is_one_to_three_lines(judged: tuple[Judged, ...], warnings: tuple[str, ...]) -> None:
    text = check_text(
        check_view(
            answer(Verdict.PROCEED, judged, why="everything is as recorded", clearance="c-1", until=NOW, told=warnings)
        )
    )
    assert 1 <= len(text.splitlines()) <= 3
    assert text.startswith(
        "PROCEED job shop-prod, run 4711: everything is as recorded (2 read)\nClearance c-1 until 2026"
    )


def test_a_gate_that_proceeds_shows_no_clearance() -> None:
    assert "Clearance" not in check_text(
        check_view(answer(Verdict.PROCEED, (UNCHANGED,), why="everything is as recorded"))
    )


def test_cannot_tell_says_that_nothing_was_decided() -> None:
    text = check_text(check_view(answer(Verdict.CANNOT_TELL, (UNCLEAR,), why="could not tell")))
    assert text.startswith("CANNOT TELL job shop-prod")
    assert "kv-shop: forbidden AuthorizationFailed" in text
    assert "nothing may proceed; it is safe to ask again" in text
    assert "decide" not in text.split("Nothing was decided")[1]


def test_observe_mode_stops_nothing_and_says_so() -> None:
    text = check_text(check_view(answer(observed=True, why="observe mode: would answer halt")))
    assert text.startswith("OBSERVED job shop-prod")
    assert text.endswith("Nothing is stopped: the job is in observe mode.")


def test_hostile_text_can_neither_steer_a_terminal_nor_make_a_line() -> None:
    hostile = replace(
        MOVED,
        attribution=told.attribution(HOSTILE),
        changes=(told.change("tags.x", HOSTILE, "y"), replace(MOVED.changes[1], path=(HOSTILE,), after=HOSTILE)),
        detail=HOSTILE,
    )
    quiet = check_text(
        check_view(
            answer(
                judged=(Judged(replace(hostile, attribution=told.attribution(), detail="x"), Action.HALT, "x"),),
                halt=halt(),
            )
        )
    )
    text = check_text(
        check_view(
            answer(
                judged=(Judged(hostile, Action.HALT, HOSTILE),),
                halt=halt(),
                why=HOSTILE,
                told=(HOSTILE,),
                coverage=Coverage(),
            )
        )
    )
    assert all(line.isprintable() for line in text.split("\n"))
    assert not any(line.startswith("HALT over") for line in text.split("\n"))
    assert "##vso[" not in text
    assert len([line for line in text.split("\n") if line.startswith("HALT")]) == 1
    assert quiet.count("\n  by ") == text.count("\n  by ") == 1


def test_many_changes_end_with_how_many_more_there_are() -> None:
    many = replace(MOVED, changes=tuple(told.change(f"properties.p{n}", n, n + 1) for n in range(100)))
    text = check_text(check_view(answer(judged=tuple([Judged(many, Action.HALT, "x")] * 50), halt=halt())))
    assert "and 80 more in the evidence" in text and "and 30 more in the evidence" in text
    assert len(text.splitlines()) < 600


def recorded(*taken: Taken, **more: Any) -> Recorded:
    return Recorded("shop-prod", "r-1", 4, Provenance.CLEARANCE, taken, **more)


def test_a_record_says_what_became_of_the_resources_in_one_line() -> None:
    text = record_text(
        record_view(
            recorded(Taken(Seen(UNCHANGED.finding), Fate.RECORDED), Taken(Seen(UNCHANGED.finding), Fate.RETIRED))
        )
    )
    assert text == "RECORDED job shop-prod: generation 4; 1 recorded, 1 retired"


def test_a_record_that_waits_names_what_it_waits_for() -> None:
    text = record_text(record_view(recorded(Taken(Seen(told.UNREAD), Fate.PENDING))))
    assert text.startswith("SETTLING job shop-prod")
    assert "Waits for:\n  kv-shop: forbidden AuthorizationFailed" in text


def test_a_record_that_holds_something_reads_like_a_halt() -> None:
    held = Taken(Seen(MOVED), Fate.HELD, held=MOVED)
    text = record_text(record_view(recorded(held, halt=halt())))
    assert text.startswith("HALT job shop-prod: generation 4; 1 held by a halt")
    assert "nsg-web" in text and "by ada@example.com" in text and f"halts decide {HALT} keep" in text


def test_a_record_that_ends_a_halt_says_why() -> None:
    ended = halt(State.RESOLVED, closed_because="the manual change was overwritten, as decided")
    assert f"The halt {HALT} is resolved: the manual change was overwritten, as decided" in record_text(
        record_view(recorded(resolved=ended))
    )


def test_a_proposal_says_that_the_baseline_stays_and_how_to_accept() -> None:
    text = record_text(record_view(recorded(proposal="p-1", told=("no clearance",))))
    assert text.startswith("PROPOSED p-1 for job shop-prod: its baseline stays at generation 4")
    assert 'driftguard jobs accept shop-prod p-1 --reason "…"' in text


def test_an_error_is_one_line_with_its_remedy() -> None:
    assert error_text(CannotTell("the store is locked", "try again")) == "driftguard: the store is locked: try again"
    assert "\n" not in error_text(CannotTell(HOSTILE, HOSTILE)) and "\x1b" not in error_text(CannotTell(HOSTILE))
