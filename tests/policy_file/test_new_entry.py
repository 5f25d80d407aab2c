"""A job's new entry in a policy file: everything else stays as it is, and nothing is written where that is not sure."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftguard.errors import BadConfiguration, WrongUse
from driftguard.flow.attribute import Principal
from driftguard.flow.policy import Mode
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.policy_file.new_entry import NewEntry, Outcome, Plan, plan_entry
from driftguard.policy_file.write_entry import can_be_written, write_entry

APP, GROUP = "AAAAAAAA-0001-4000-8000-000000000001", "11111111-2222-3333-4444-555555555555"
ENTRY = NewEntry("shop-prod", principals=(APP,), reviewers=(GROUP,))
FULL = NewEntry("shop-prod", principals=(APP,), pipelines=(APP,), readers=(GROUP, APP), reviewers=(GROUP,))
LINES = [
    '- match: "shop-prod"',
    "  mode: observe",
    f'  principals: [{{app_id: "{APP.lower()}"}}]',
    f'  reviewers: ["{GROUP}"]',
]


def planned(file: Path, text: str, entry: NewEntry = ENTRY) -> Plan:
    file.write_bytes(text.encode())
    return plan_entry(file, entry, folder=policies_folder())


def result(file: Path, text: str, entry: NewEntry = ENTRY) -> str:
    """The file after the entry was written, which it must be; it was checked that the job's entry applies."""
    plan = write_entry(can_be_written(planned(file, text, entry)))
    assert plan.outcome is Outcome.WRITTEN, plan.why
    applied = load_policy(file, folder=policies_folder()).for_job(entry.job)
    assert (applied.match, applied.mode, applied.where) == (entry.job, Mode.OBSERVE, plan.where)
    return file.read_bytes().decode()


def indented(by: int, end: str = "\n") -> str:
    return "".join(f"{' ' * by}{line}{end}" for line in LINES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def test_a_file_that_is_not_there_is_made_readable_for_everybody(file: Path) -> None:
    plan = write_entry(can_be_written(plan_entry(file, ENTRY, folder=policies_folder())))
    assert (plan.outcome, plan.where) == (Outcome.WRITTEN, f"{file}:3")
    assert file.read_text() == "version: 1\njobs:\n" + indented(2)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    applied = load_policy(file, folder=policies_folder()).for_job("shop-prod")
    assert (applied.principals, applied.reviewers) == ((Principal(app_id=APP.lower()),), (GROUP,))
    assert [path.name for path in file.parent.iterdir()] == ["policy.yaml"]


BEFORE = "# ours\nversion: 1  # of the format\n\njobs:   # first match wins\n"
OTHER = '    -   match: "other-*"   # the others\n        mode:  enforce\n        # the end of it\n'
AFTER = '\n# how it is judged\ndefaults: {settle: 5s}\nrules:\n- {name: a, match: {type: "*"}, severity: high}\n'


def test_the_entry_goes_behind_the_others_and_the_rest_stays_byte_for_byte(file: Path) -> None:
    text = BEFORE + OTHER + AFTER
    written = result(file, text)
    assert written == BEFORE + OTHER + indented(4) + AFTER


@settings(max_examples=30)  # each loads the shipped tables twice, 0.15 s
@given(
    entries=st.lists(
        st.tuples(
            st.sampled_from(["a", "other-*", "'*'", '"x y"', ">-\n{i}      folded"]),
            st.sampled_from(
                [
                    "",
                    "{i}  settle: 5s # short\n",
                    "{i}  readers:\n{i}  - g # one\n{i}    # deeper\n",
                    "{i}  readers: [g,\n{i}    h]\n",
                ]
            ),
            st.sampled_from(["", "\n", "{i}# about the next\n", "# at the margin\n", "\n\n"]),
        ),
        max_size=4,
    ),
    indent=st.integers(0, 4),
    before=st.sampled_from(["", "# ours\n", "defaults:\n  settle: 1s\n"]),
    after=st.sampled_from(["", "\n", "rules: []\n", "# the end\n", "identities:\n  # who\n  anna: [a, b]\n"]),
    windows=st.booleans(),
)
def test_without_the_new_lines_a_file_of_any_layout_is_the_old_one(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, str, str]],
    indent: int,
    before: str,
    after: str,
    windows: bool,
) -> None:
    margin, end = " " * indent, "\r\n" if windows else "\n"
    listed = "".join(f"{margin}- match: {match}\n{more}{gap}".replace("{i}", margin) for match, more, gap in entries)
    text = f"version: 1\n{before}" + (f"jobs:\n{listed}" if entries else "") + after
    text = text.replace("\n", end)
    path = tmp_path_factory.getbasetemp() / "any-layout.yaml"
    plan = planned(path, text)
    assert plan.content is not None, plan.why
    written = plan.content.decode()
    new = indented(indent if entries else 2, end)
    new = new if entries else f"jobs:{end}{new}"
    assert written.count(new) == 1 and written.replace(new, "") == text


def test_an_entry_for_everybody_comes_after_the_new_one_with_its_comment(file: Path) -> None:
    everybody = "    # everybody else\n    # is enforced\n    - {match: '*', mode: enforce}\n"
    assert result(file, BEFORE + OTHER + everybody + AFTER) == BEFORE + OTHER + indented(4) + everybody + AFTER
    assert result(file, BEFORE + everybody) == BEFORE + indented(4) + everybody


def test_what_an_entry_for_everybody_said_is_told_to_apply_no_longer(file: Path) -> None:
    plan = planned(file, "version: 1\njobs:\n- match: '*'\n  settle: 5s\n")
    assert plan.outcome is Outcome.TO_WRITE
    assert f"'*' at {file}:3 sets no longer applies" in plan.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\n", "version: 1\njobs:\n" + indented(2)),
        ("version: 1", "version: 1\njobs:\n" + indented(2)),
        ("version: 1 # x\ndefaults: {settle: 1s}", "version: 1 # x\njobs:\n" + indented(2) + "defaults: {settle: 1s}"),
        ("---\nversion: 1\njobs: []\nrules: []\n", "---\nversion: 1\njobs:\n" + indented(2) + "rules: []\n"),
        ("version: 1\njobs:  []  # none\n", "version: 1\njobs:  # none\n" + indented(2)),
        ("jobs: [ ]\nversion: 1", "jobs:\n" + indented(2) + "version: 1"),
        ("version: 1\njobs:\n- match: x\n", "version: 1\njobs:\n- match: x\n" + indented(0)),
        ("version: 1\njobs:\n- match: x", "version: 1\njobs:\n- match: x\n" + indented(0)),
        (
            "jobs:\n - match: x\n   reviewers:\n   - a\n   - b # c\n\nversion: 1\n",
            "jobs:\n - match: x\n   reviewers:\n   - a\n   - b # c\n" + indented(1) + "\nversion: 1\n",
        ),
        (
            "jobs:\n - match: x\n   readers: [a,\n     b]\nversion: 1\n",
            "jobs:\n - match: x\n   readers: [a,\n     b]\n" + indented(1) + "version: 1\n",
        ),
        (
            "jobs:\n - match: >-\n    x\n\nversion: 1\n",
            "jobs:\n - match: >-\n    x\n\n" + indented(1) + "version: 1\n",
        ),
        ("version: 1\r\njobs:\r\n- match: x\r\n", "version: 1\r\njobs:\r\n- match: x\r\n" + indented(0, "\r\n")),
        ("\ufeffversion: 1\n", "\ufeffversion: 1\njobs:\n" + indented(2)),
        ("? version\n: 1\n", "? version\n: 1\njobs:\n" + indented(2)),
        ("version: 1\njobs:\n- &one\n  match: x\n", "version: 1\njobs:\n- &one\n  match: x\n" + indented(0)),
        ("version: 1\n...\n", "version: 1\njobs:\n" + indented(2) + "...\n"),
        ("", "version: 1\njobs:\n" + indented(2)),
        ("\n\n", "\n\nversion: 1\njobs:\n" + indented(2)),
        ("# ours", "# ours\nversion: 1\njobs:\n" + indented(2)),
        ("# ours\r\n", "# ours\r\nversion: 1\r\njobs:\r\n" + indented(2, "\r\n")),
        ("\ufeff# ours\n", "\ufeff# ours\nversion: 1\njobs:\n" + indented(2)),
        ("---\n# ours\n", "---\n# ours\nversion: 1\njobs:\n" + indented(2)),
        ("---\n# ours\n...\n", "---\n# ours\nversion: 1\njobs:\n" + indented(2) + "...\n"),
        ("version: 1\njobs:\n", "version: 1\njobs:\n" + indented(2)),
        ("version: 1\njobs:", "version: 1\njobs:\n" + indented(2)),
        ("jobs: # none yet\nversion: 1\n", "jobs: # none yet\n" + indented(2) + "version: 1\n"),
        ("jobs: null\nversion: 1\nrules: []\n", "jobs:\n" + indented(2) + "version: 1\nrules: []\n"),
        ("version: 1\njobs: ~ # none\n", "version: 1\njobs: # none\n" + indented(2)),
    ],
)
def test_the_entry_stands_where_a_person_would_put_it(file: Path, text: str, expected: str) -> None:
    assert result(file, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "jobs": []}',
        "{version: 1}\n",
        "version: 1\njobs: [{match: x}]\n",
        "version: 1\njobs: [\n]\n",
        "version: 1\njobs:\n- ? match\n  : x\n-\n  match: y\n",
        "jobs: &none []\nversion: 1\n",
        "version: 1\rjobs: []\r",
        "version: 1\u2028jobs: []\n",
        "jobs:\n - match: x\n   readers: &r [a]\n - match: y\n   readers: *r\nversion: 1\n",
    ],
)
def test_a_file_of_an_odd_form_is_left_alone_and_the_entry_is_to_be_pasted(file: Path, text: str) -> None:
    plan = planned(file, text)
    assert plan.outcome is Outcome.BY_HAND
    assert plan.remedy and str(file) in plan.why
    assert plan.text == indented(2).rstrip("\n")
    assert write_entry(plan) == plan
    assert file.read_bytes().decode() == text


@pytest.mark.parametrize("text", ["jobs:\n", "version: 1\njobs:\nrule: []\n", "version: 2\njobs: null\n", "null\n"])
def test_a_file_that_is_wrong_beside_being_unfinished_is_an_error_that_names_it(file: Path, text: str) -> None:
    with pytest.raises(BadConfiguration) as told:
        planned(file, text)
    assert str(file) in told.value.message
    assert file.read_text() == text


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, Path(os.devnull), tmp_path):
        with pytest.raises(BadConfiguration, match="no plain file"):
            plan_entry(path, ENTRY, folder=policies_folder())


def test_the_plan_says_which_entry_enforces_the_job_today(file: Path) -> None:
    assert planned(file, "version: 1\njobs:\n- match: '*'\n").enforced_by == f"the entry for '*' at {file}:3"
    assert planned(file, "version: 1\njobs:\n- match: '*'\n  mode: observe\n").enforced_by == ""
    assert planned(file, "version: 1\ndefaults: {settle: 0s}\n").enforced_by == ""


def test_a_narrower_entry_applies_already_and_nothing_is_written(file: Path) -> None:
    text = "version: 1\njobs:\n- match: other\n- match: shop-*\n  mode: enforce\n"
    plan = planned(file, text)
    assert (plan.outcome, plan.where) == (Outcome.ALREADY, f"{file}:4")
    assert f"'shop-*' at {file}:4 applies to the job already (mode: enforce)" in plan.why
    assert write_entry(plan) == plan and file.read_text() == text


def test_an_entry_of_the_job_that_never_applies_is_told_to_be_moved(file: Path) -> None:
    plan = planned(file, "version: 1\njobs:\n- match: '*'\n- match: shop-prod\n")
    assert (plan.outcome, plan.where, plan.remedy) == (Outcome.BY_HAND, f"{file}:4", "move it before that one")


def test_a_name_that_yaml_reads_otherwise_is_the_name(file: Path) -> None:
    for job in ("123", "true", "1.5", "null", "2026-01-01", "0x1F", "1_000"):
        entry = NewEntry(job)
        assert f'- match: "{job}"' in result(file, "version: 1\n", entry)


def test_what_is_no_guid_is_refused_and_names_are_told_in_short() -> None:
    for text in ("release pipeline", "", f"{GROUP}\n", f"{GROUP}x", "x" * 1000):
        with pytest.raises(WrongUse) as told:
            NewEntry("shop-prod", readers=(text,))
        assert len(told.value.message) < 200


def test_every_role_is_bound_as_it_is_given(file: Path) -> None:
    result(file, "version: 1\n", FULL)
    applied = load_policy(file, folder=policies_folder()).for_job("shop-prod")
    assert applied.principals == (Principal(app_id=APP.lower()),)
    assert (applied.pipelines, applied.readers) == ((APP.lower(),), (GROUP, APP.lower()))
    assert applied.reviewers == (GROUP,)


def test_without_a_file_the_entry_is_only_shown() -> None:
    plan = plan_entry(None, ENTRY, folder=policies_folder())
    assert (plan.outcome, write_entry(plan)) == (Outcome.NO_FILE, plan)
    assert "DRIFTGUARD_POLICY" in plan.remedy


def test_a_file_that_is_wrong_and_a_folder_that_is_missing_are_errors(file: Path) -> None:
    with pytest.raises(BadConfiguration, match="unknown key"):
        planned(file, "version: 1\njob: []\n")
    with pytest.raises(BadConfiguration, match="folder does not exist"):
        plan_entry(file.parent / "none" / "policy.yaml", ENTRY, folder=policies_folder())
    with pytest.raises(BadConfiguration):
        plan_entry(file.parent, ENTRY, folder=policies_folder())


def test_the_mode_of_a_file_stays_and_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "shared.yaml"
    target.write_text("version: 1\n")
    target.chmod(0o640)
    file.symlink_to(target)
    result(file, "version: 1\n")
    assert file.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_file_that_changed_meanwhile_is_left_alone(file: Path) -> None:
    plan = planned(file, "version: 1\n")
    file.write_text("version: 1\nrules: []\n")
    with pytest.raises(WrongUse, match="changed"):
        write_entry(plan)
    assert file.read_text() == "version: 1\nrules: []\n"
    file.unlink()
    with pytest.raises(WrongUse, match="changed"):
        write_entry(plan)
    assert list(file.parent.iterdir()) == []


def test_a_file_that_appeared_meanwhile_is_left_alone(file: Path) -> None:
    plan = plan_entry(file, ENTRY, folder=policies_folder())
    file.write_text("version: 1\nrules: []\n")
    with pytest.raises(WrongUse, match="changed"):
        write_entry(plan)
    assert file.read_text() == "version: 1\nrules: []\n"
    assert [path.name for path in file.parent.iterdir()] == ["policy.yaml"]


def test_a_disk_that_takes_nothing_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(file, "version: 1\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WrongUse, match="No space left"):
        write_entry(plan)
    assert file.read_text() == "version: 1\n"
    assert [path.name for path in file.parent.iterdir()] == ["policy.yaml"]


def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    plan = can_be_written(Plan(Outcome.TO_WRITE, ENTRY, pipe, content=b"", before=b""))
    assert plan.outcome is Outcome.BY_HAND


def test_the_shipped_default_copied_takes_an_entry(file: Path) -> None:
    text = (policies_folder() / "default.yaml").read_text()
    assert result(file, text) == text.replace("jobs: []\n", "jobs:\n" + indented(2))
