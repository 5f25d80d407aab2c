"""The results of the verbs for people: plain text, no colour (the command line may add it to the first word).

Rules:
- The first word is the answer: PROCEED, HALT, CANNOT TELL, RECORDED, SETTLING, PROPOSED.
- A halt names first what changed, who did it and how sure that is; then what moved and counts for nothing; then what was
  not read; then the next steps as commands to paste.
- A Proceed is at most three lines.
- Text from outside passes `untrusted.py`: it cannot steer a terminal or begin a line of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from driftguard.errors import DriftGuardError
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import State
from driftguard.flow.moment import for_people
from driftguard.flow.record import Fate
from driftguard.render.findings import (
    Finding,
    author,
    change_line,
    configuration,
    headline,
    noise,
    not_read,
    resource_name,
    resource_title,
    when_text,
)
from driftguard.render.json_views import findings_view, held_findings
from driftguard.render.next_steps import next_steps
from driftguard.render.untrusted import one_line

if TYPE_CHECKING:  # types only: the text of an error needs none of the verbs
    from driftguard.guard.check import Answer
    from driftguard.guard.record import Recorded
    from driftguard.guard.rows import HaltRow

_MOST = 20  # of a kind: resources, changes of one resource, lines of noise


def check_text(answer: Answer) -> str:
    """What a check answers. Begins with PROCEED, HALT or CANNOT TELL, or in observe mode with OBSERVED."""
    who = f"job {one_line(answer.job)}, run {one_line(answer.run)}"
    if answer.verdict is Verdict.PROCEED:
        return _lines(_proceed(answer, who))
    told = findings_view(answer.judgement.judged)
    halting = [finding for finding in told if finding["action"] == "halt"]
    first = "OBSERVED" if answer.observed else str(answer.verdict).upper()
    lines = [f"{first} {who}: {one_line(answer.why, 400)}"]
    lines += _findings(halting)
    lines += _noise(halting, [finding for finding in told if finding["action"] != "halt"])
    lines += _section("Not read", not_read(answer.coverage.to_dict(), halting))
    lines += _section("Also", [one_line(text, 300) for text in answer.told])
    return _lines(lines + _steps_of(answer, halting))


def _proceed(answer: Answer, who: str) -> list[str]:
    lines = [f"PROCEED {who}: {one_line(answer.why, 400)} ({answer.coverage.read} read)"]
    if answer.clearance and answer.until:
        lines.append(f"Clearance {one_line(answer.clearance)} until {for_people(answer.until)}")
    told = findings_view(answer.judgement.judged)
    counts = Counter(f"{one['finding']} ({one_line(one['reason'], 120)})" for one in told if one["action"] != "halt")
    also = [f"{number} {what}" for what, number in counts.items()] + [one_line(text, 300) for text in answer.told]
    return [*lines, f"Also: {'; '.join(_most(also))}"] if also else lines


def _steps_of(answer: Answer, halting: Sequence[Finding]) -> list[str]:
    halt = answer.halt
    if answer.observed:
        return ["", "Nothing is stopped: the job is in observe mode."]
    if answer.verdict is Verdict.CANNOT_TELL or halt is None:
        return ["", "Nothing was decided and nothing may proceed; it is safe to ask again."]
    return _next(halt, halting)


def record_text(recorded: Recorded) -> str:
    """What a record did. Begins with RECORDED, PROPOSED, SETTLING or HALT."""
    job = one_line(recorded.job)
    counts = Counter(item.fate for item in recorded.taken)
    told = [one_line(text, 300) for text in recorded.told]
    number = f"generation {recorded.generation}"
    if recorded.proposal:
        accept = f'driftguard jobs accept {job} {one_line(recorded.proposal)} --reason "…"'
        lines = [f"PROPOSED {one_line(recorded.proposal)} for job {job}: its baseline stays at {number}"]
        return _lines([*lines, *told, *_section("Next, by a reviewer", [accept])])
    summary = ", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate])
    first = "HALT" if recorded.halt else "SETTLING" if counts[Fate.PENDING] else "RECORDED"
    lines = [f"{first} job {job}: {number}; {summary or 'nothing differs'}", *told]
    if recorded.resolved:
        why = one_line(recorded.resolved.closed_because, 200)
        lines.append(f"The halt {one_line(recorded.resolved.id)} is resolved: {why}")
    pending = [item.seen.finding for item in recorded.taken if item.fate is Fate.PENDING]
    waits = [f"{resource_name(one.ref.id)}: {one.cause or ''} {one_line(one.detail, 160)}".rstrip() for one in pending]
    lines += _section("Waits for", waits)
    if recorded.halt:
        held = held_findings(recorded)
        lines += [*_findings(held), *_noise(held, ()), *_next(recorded.halt, held)]
    return _lines(lines)


def halt_text(halt: HaltRow, evidence: Mapping[str, Any]) -> str:
    """One halt with a version of its evidence (the document as parsed)."""
    findings = evidence["findings"]
    lines = [f"HALT {one_line(halt.id)} of job {one_line(halt.job)}: {_state(halt)}"]
    asked = {"run": halt.run, "stage": evidence["stage"], "ticket": halt.ticket, "started by": evidence["started_by"]}
    named = [f"{what} {one_line(text, 120)}" for what, text in asked.items() if text]
    lines.append(f"Halted {when_text(halt.opened_at)}, {', '.join([*named, one_line(halt.cause, 60)])}")
    lines += _findings(findings)
    lines += _noise(findings, evidence["also_seen"])
    lines += _section("Not read", not_read(evidence["coverage"], findings))
    lines += _section("Decided", _decisions(halt))
    lines += ["", f"Evidence version {evidence['version']}, {one_line(evidence['digest'])}"]
    return _lines(lines + _next(halt, findings))


def decided_text(halt: HaltRow) -> str:
    """A halt after a decision or a confirmation: where it stands, and what is next."""
    lines = [f"{one_line(halt.id)} of job {one_line(halt.job)}: {_state(halt)}", *_decisions(halt)]
    return _lines(lines + _next(halt, halt.summary))


def error_text(error: DriftGuardError) -> str:
    """`driftguard: message: remedy`, on one line."""
    return f"driftguard: {one_line(error, 1000)}"


def _state(halt: HaltRow) -> str:
    if halt.final:
        return f"{halt.state} {when_text(halt.closed_at)}: {one_line(halt.closed_because, 300)}"
    until = f" until {when_text(halt.expires_at)}" if halt.expires_at else ""
    use = f" by run {one_line(halt.in_use['run'])}" if halt.state is State.IN_USE and halt.in_use else ""
    return f"{halt.state}{use}{until}"


def _decisions(halt: HaltRow) -> list[str]:
    """What was proposed, decided and confirmed, and what had been decided on the halt before."""
    lines = []
    if halt.earlier and halt.earlier["decision"]:
        lines.append(f"earlier, on {one_line(halt.earlier['halt'])}: {_decision(halt.earlier['decision'])}")
    if halt.proposal:
        lines.append(f"{_decision(halt.proposal)}; a second reviewer must take the same decision")
    if halt.decision:
        lines.append(_decision(halt.decision))
    if halt.confirmation:
        said = halt.confirmation
        only = f", for run {one_line(said['for_run'])} only" if said["for_run"] else ""
        lines.append(
            f"confirmed to be in {one_line(said['in_code'])}{only} by {one_line(said['by'])}, {when_text(said['at'])}"
        )
    return lines


def _decision(taken: Mapping[str, Any]) -> str:
    asserted = " (name not proven)" if taken.get("asserted") else ""
    first = f" and {one_line(taken['proposed_by'])}" if taken.get("proposed_by") else ""
    by = f"{one_line(taken['by'])}{first}{asserted}"
    return f"{one_line(taken['decision'])} by {by}, {when_text(taken['at'])}: {one_line(taken['reason'], 400)}"


def _findings(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings[:_MOST]:
        lines += ["", f"{resource_title(finding)} {headline(finding)}"]
        lines += [f"  {text}" for text in _most([change_line(change) for change in configuration(finding)])]
        lines += [f"  {resource_name(covered)}" for covered in _most(finding.get("covers", []))]
        lines += [f"  {text}" for text in [author(finding)] if text]
    return [*lines, *_more(len(findings) - _MOST)]


def _noise(findings: Sequence[Finding], also_seen: Iterable[Finding]) -> list[str]:
    lines = [f"{one.resource}: {one.what} ({one.why})" for one in noise(findings, also_seen)]
    return _section("Also moved, and not held against anybody", lines)


def _next(halt: HaltRow, findings: Sequence[Finding]) -> list[str]:
    """The next steps: what each does, and below it the command."""
    kept = (halt.earlier or {}).get("kept", [])
    proposed = (halt.proposal or {}).get("decision", "")
    steps = next_steps(halt.id, halt.job, halt.state, findings, kept=kept, proposed=proposed)
    told = [text for step in steps for text in (f"{step.effect}:", f"  {step.command}")]
    return _section("Next", [*told, f"all of it: driftguard halts show {one_line(halt.id)} --evidence"], len(told) + 1)


def _section(title: str, lines: Sequence[str], most: int = _MOST) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in _most(lines, most))] if lines else []


def _most(lines: Sequence[str], most: int = _MOST) -> list[str]:
    return [*lines[:most], *_more(len(lines) - most)]


def _more(left: int) -> list[str]:
    return [f"and {left} more in the evidence"] if left > 0 else []


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
