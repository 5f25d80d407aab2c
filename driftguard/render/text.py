"""The results of the verbs for people: plain text, no colour (the command line may add it to the first word).

Rules:
- A text is made from the view of the result (json_views.py), wherever that came from: this process, or a service of another
  version, whose views may have members that are not known here, and may lack some.
- The first word is the answer: PROCEED, HALT, CANNOT TELL, RECORDED, SETTLING, PROPOSED.
- A halt names first what changed, who did it and how sure that is; then what moved and counts for nothing; then what was
  not read; then the next steps as commands to paste.
- A Proceed is at most three lines.
- Text from outside passes `untrusted.py`: it cannot steer a terminal or begin a line of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from driftguard.errors import DriftGuardError
from driftguard.flow.decide import Verdict
from driftguard.flow.halt import State
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
from driftguard.render.members import Members, count, mapping, mappings, text, texts
from driftguard.render.next_steps import next_steps
from driftguard.render.untrusted import one_line

_MOST = 20  # of a kind: resources, changes of one resource, lines of noise


def check_text(view: Members) -> str:
    """What a check answers, from its view. Begins with PROCEED, HALT or CANNOT TELL, or in observe mode with OBSERVED."""
    who = f"job {_shown(view, 'job')}, run {_shown(view, 'run')}"
    verdict, told = text(view, "verdict"), mappings(view, "findings")
    if verdict == Verdict.PROCEED:
        return _lines(_proceed(view, who))
    halting = [finding for finding in told if finding.get("action") == "halt"]
    first = "OBSERVED" if _is_observed(view) else one_line(verdict, 40).upper()
    lines = [f"{first} {who}: {_shown(view, 'why', 400)}"]
    lines += _findings(halting)
    lines += _noise(halting, [finding for finding in told if finding.get("action") != "halt"])
    lines += _section("Not read", not_read(mapping(view, "coverage"), halting))
    lines += _section("Also", _told(view))
    return _lines(lines + _steps_of(view, halting))


def _proceed(view: Members, who: str) -> list[str]:
    read = count(mapping(view, "coverage"), "read")
    lines = [f"PROCEED {who}: {_shown(view, 'why', 400)} ({read} read)"]
    if view.get("clearance") and view.get("until"):
        lines.append(f"Clearance {_shown(view, 'clearance')} until {_when(view, 'until')}")
    told = [finding for finding in mappings(view, "findings") if finding.get("action") != "halt"]
    counts = Counter(f"{_shown(one, 'finding', 60)} ({_shown(one, 'reason', 120)})" for one in told)
    also = [f"{number} {what}" for what, number in counts.items()] + _told(view)
    return [*lines, f"Also: {'; '.join(_most(also))}"] if also else lines


def _steps_of(view: Members, halting: Sequence[Finding]) -> list[str]:
    halt = mapping(view, "halt")
    if _is_observed(view):
        return ["", "Nothing is stopped: the job is in observe mode."]
    if view.get("verdict") != Verdict.HALT or not halt:
        return ["", "Nothing was decided and nothing may proceed; it is safe to ask again."]
    return _next(halt, halting)


def record_text(view: Members) -> str:
    """What a record did, from its view. Begins with RECORDED, PROPOSED, SETTLING or HALT."""
    job, number = _shown(view, "job"), f"generation {_shown(view, 'generation')}"
    told, proposal = _told(view), _shown(view, "proposal")
    if proposal:
        accept = f'driftguard jobs accept {job} {proposal} --reason "…"'
        lines = [f"PROPOSED {proposal} for job {job}: its baseline stays at {number}"]
        return _lines([*lines, *told, *_section("Next, by a reviewer", [accept])])
    taken, counts = mappings(view, "resources"), mapping(view, "counts")
    halt, resolved = mapping(view, "halt"), mapping(view, "resolved")
    pending = [one for one in taken if one.get("fate") == Fate.PENDING]
    first = "HALT" if halt else "SETTLING" if pending else "RECORDED"
    lines = [f"{first} job {job}: {number}; {_fates(counts) or 'nothing differs'}", *told]
    if resolved:
        lines.append(f"The halt {_shown(resolved, 'id')} is resolved: {_shown(resolved, 'closed_because')}")
    lines += _section("Waits for", [_waits(one) for one in pending])
    if halt:
        held = [mapping(one, "held") for one in taken if one.get("held")]
        lines += [*_findings(held), *_noise(held, ()), *_next(halt, held)]
    return _lines(lines)


def _fates(counts: Members) -> str:
    """`1 recorded, 1 retired`, in the order of the fates; then those that are not known here."""
    known = [str(fate) for fate in Fate]
    names = [*known, *(name for name in counts if name not in known)]
    return ", ".join(f"{count(counts, name)} {one_line(name, 60)}" for name in names if count(counts, name))


def _waits(taken: Members) -> str:
    name = resource_name(text(taken, "resource"))
    return f"{name}: {_shown(taken, 'cause', 40)} {_shown(taken, 'detail', 160)}".rstrip()


def halt_text(view: Members) -> str:
    """One halt with a version of its evidence, from the view that has both."""
    evidence = mapping(view, "document")
    findings = mappings(evidence, "findings")
    lines = [f"HALT {_shown(view, 'id')} of job {_shown(view, 'job')}: {_state(view)}"]
    asked = (("run", view, "run"), ("stage", evidence, "stage"), ("ticket", view, "ticket"))
    started = ("started by", evidence, "started_by")
    named = [f"{what} {_shown(of, name, 120)}" for what, of, name in (*asked, started) if of.get(name)]
    lines.append(f"Halted {_when(view, 'opened_at')}, {', '.join([*named, _shown(view, 'cause', 60)])}")
    lines += _findings(findings)
    lines += _noise(findings, mappings(evidence, "also_seen"))
    lines += _section("Not read", not_read(mapping(evidence, "coverage"), findings))
    lines += _section("Decided", _decisions(view))
    lines += ["", f"Evidence version {_shown(evidence, 'version')}, {_shown(evidence, 'digest')}"]
    return _lines(lines + _next(view, findings))


def decided_text(view: Members) -> str:
    """A halt after a decision or a confirmation, from its view: where it stands, and what is next."""
    lines = [f"{_shown(view, 'id')} of job {_shown(view, 'job')}: {_state(view)}", *_decisions(view)]
    return _lines(lines + _next(view, mappings(view, "summary")))


def error_text(error: DriftGuardError) -> str:
    """`driftguard: message: remedy`, on one line."""
    return f"driftguard: {one_line(error, 1000)}"


def _state(halt: Members) -> str:
    state = _shown(halt, "state", 40)
    if halt.get("final") is True:
        return f"{state} {_when(halt, 'closed_at')}: {_shown(halt, 'closed_because', 300)}"
    until = f" until {_when(halt, 'expires_at')}" if halt.get("expires_at") else ""
    run = _shown(mapping(halt, "in_use"), "run")
    use = f" by run {run}" if state == State.IN_USE and run else ""
    return f"{state}{use}{until}"


def _decisions(halt: Members) -> list[str]:
    """What was proposed, decided and confirmed, and what had been decided on the halt before."""
    lines = []
    earlier, proposal, decision = mapping(halt, "earlier"), mapping(halt, "proposal"), mapping(halt, "decision")
    if mapping(earlier, "decision"):
        lines.append(f"earlier, on {_shown(earlier, 'halt')}: {_decision(mapping(earlier, 'decision'))}")
    if proposal:
        lines.append(f"{_decision(proposal)}; a second reviewer must take the same decision")
    if decision:
        lines.append(_decision(decision))
    if said := mapping(halt, "confirmation"):
        only = f", for run {_shown(said, 'for_run')} only" if said.get("for_run") else ""
        lines.append(f"confirmed to be in {_shown(said, 'in_code')}{only} by {_shown(said, 'by')}, {_when(said, 'at')}")
    return lines


def _decision(taken: Members) -> str:
    asserted = " (name not proven)" if taken.get("asserted") else ""
    first = f" and {_shown(taken, 'proposed_by')}" if taken.get("proposed_by") else ""
    by = f"{_shown(taken, 'by')}{first}{asserted}"
    return f"{_shown(taken, 'decision')} by {by}, {_when(taken, 'at')}: {_shown(taken, 'reason', 400)}"


def _findings(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings[:_MOST]:
        lines += ["", f"{resource_title(finding)} {headline(finding)}"]
        lines += [f"  {line}" for line in _most([change_line(change) for change in configuration(finding)])]
        lines += [f"  {resource_name(covered)}" for covered in _most(texts(finding, "covers"))]
        lines += [f"  {line}" for line in [author(finding)] if line]
    return [*lines, *_more(len(findings) - _MOST)]


def _noise(findings: Sequence[Finding], also_seen: Iterable[Finding]) -> list[str]:
    lines = [f"{one.resource}: {one.what} ({one.why})" for one in noise(findings, also_seen)]
    return _section("Also moved, and not held against anybody", lines)


def _next(halt: Members, findings: Sequence[Finding]) -> list[str]:
    """The next steps: what each does, and below it the command."""
    steps = next_steps(
        text(halt, "id"),
        text(halt, "job"),
        text(halt, "state"),
        findings,
        kept=texts(mapping(halt, "earlier"), "kept"),
        proposed=text(mapping(halt, "proposal"), "decision"),
    )
    told = [line for step in steps for line in (f"{step.effect}:", f"  {step.command}")]
    return _section("Next", [*told, f"all of it: driftguard halts show {_shown(halt, 'id')} --evidence"], len(told) + 1)


def _is_observed(view: Members) -> bool:
    return view.get("observed") is True


def _told(view: Members) -> list[str]:
    return [one_line(told, 300) for told in texts(view, "told")]


def _shown(view: Members, name: str, limit: int = 200) -> str:
    return one_line(text(view, name), limit)


def _when(view: Members, name: str) -> str:
    return when_text(text(view, name))


def _section(title: str, lines: Sequence[str], most: int = _MOST) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in _most(lines, most))] if lines else []


def _most(lines: Sequence[str], most: int = _MOST) -> list[str]:
    return [*lines[:most], *_more(len(lines) - most)]


def _more(left: int) -> list[str]:
    return [f"and {left} more in the evidence"] if left > 0 else []


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
