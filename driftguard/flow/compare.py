"""Judges two readings of one resource: the one comparison behind check and replay.

Rules:
- The finding is that of the table in check.py: in flight (on either side) before moved, touched and unchanged.
- The body decides, not the ETag: most types have none, and it also moves without a change.
- ETags are compared in the first place where both readings have one (header, body, properties), without `W/` and quotes;
  where there is no such place the ETag counts as the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.check import FindingKind, Signs, find
from driftguard.flow.classify import ChangeClass, PathRules
from driftguard.flow.diff import Change, diff
from driftguard.flow.path import Path
from driftguard.flow.reading import ETags, Json
from driftguard.flow.settled import first_non_terminal


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison says: the kind of finding, all changes with their class, the fingerprint of the later body.

    `kind` is UNCHANGED, TOUCHED, MOVED or IN_FLIGHT. For IN_FLIGHT there are no changes, and `in_flight` is the path of
    the state that is not final, first sought in the later body.
    """

    kind: FindingKind
    changes: tuple[Change, ...]
    etag_moved: bool
    fingerprint: str
    in_flight: Path | None = None

    def of_class(self, kind: ChangeClass) -> tuple[Change, ...]:
        """The changes of one class."""
        return tuple(change for change in self.changes if change.kind is kind)


def compare(
    before: Json,
    before_etags: ETags,
    after: Json,
    after_etags: ETags,
    type_: str,
    rules: PathRules,
    *,
    before_fingerprint: str | None = None,
) -> Comparison:
    """Compares two sealed bodies of a resource type.

    `before_fingerprint` is the stored fingerprint of exactly this `before`; one of another canonical version is not
    used. Raises TooDeep.
    """
    moved = etag_moved(before_etags, after_etags)
    new = canonical(after, type_)
    new_fingerprint = fingerprint(new)
    in_flight = first_non_terminal(after)
    if in_flight is None and before != after:  # what is equal has the same states
        in_flight = first_non_terminal(before)
    changes: tuple[Change, ...] = ()
    if in_flight is None and before_fingerprint != new_fingerprint:
        changes = diff(canonical(before, type_), new, rules)
    configuration = any(change.kind is ChangeClass.CONFIGURATION for change in changes)
    signs = Signs(
        recorded=True,
        in_flight=in_flight is not None,
        configuration_change=configuration,
        other_difference=bool(changes),
        etag_moved=moved,
    )
    return Comparison(find(signs), changes, moved, new_fingerprint, in_flight)


def etag_moved(before: ETags, after: ETags) -> bool:
    """Whether the ETag differs in the first place where both sides have one; False where there is none to compare."""
    for old, new in (
        (ETags(header=before.header), ETags(header=after.header)),
        (ETags(body=before.body), ETags(body=after.body)),
        (ETags(properties=before.properties), ETags(properties=after.properties)),
    ):
        if old.normal() is not None and new.normal() is not None:
            return old.normal() != new.normal()
    return False
