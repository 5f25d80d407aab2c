"""Every error that leaves a part of Drift Guard, with its exit code and its remedy.

DriftGuardError
├── CannotTell           2  safe to try again: nothing was decided, nothing proceeds
│   ├── NothingRecorded     the job has no baseline
│   ├── Unavailable         ARM, the store or another system did not answer
│   │   └── StoreUnavailable   the store is locked, full, damaged or out of reach
│   └── SecretKeyMissing    the key of the stored secret digests is missing or another one
├── WrongUse             3  the call is wrong; trying again gives the same answer
│   ├── NotFound            no such job, halt, check, resource or file
│   ├── NotAllowed          four eyes, a role that is missing, or a decision that this place may not take
│   ├── NotSignedIn         no credential, or one that proves nobody
│   ├── PreconditionMissing a change that does not say which state it was decided on
│   ├── NoClearance         a record without the clearance that it needs
│   ├── AlreadyFinal        the halt, proposal or lease can no longer change
│   ├── Stale               the state changed since the caller saw it
│   └── OtherScope          the resource is of another tenant or cloud than the job
├── BadConfiguration     3  a setting, a policy file or the store's version is wrong
├── HaltOpen             1  refused while a halt of the job is open
├── Busy                 4  another run holds the lease, or the job is settling
└── Conflict             4  somebody else changed the row first (the verbs retry; a caller sees it only when retries ran out)

Each error is one line for a person, followed by a remedy that says what to do next.
"""

from __future__ import annotations


class DriftGuardError(Exception):
    """Base of all our errors.

    `message` says what happened, `remedy` what to do next; both are free of secrets and resource bodies.
    `exit_code` is the command line's exit code, `problem` the stable name of the error for machines.
    """

    exit_code = 2
    problem = "could-not-tell"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class CannotTell(DriftGuardError):
    """Nothing could be judged; safe to try again."""


class NothingRecorded(CannotTell):
    """The job has no baseline yet."""

    problem = "nothing-recorded"


class Unavailable(CannotTell):
    """A system that is needed did not answer."""

    problem = "unavailable"


class StoreUnavailable(Unavailable):
    """The store is locked, full, damaged or out of reach."""

    problem = "store-unavailable"


class SecretKeyMissing(CannotTell):
    """The key that made the stored secret digests is not at hand."""

    problem = "secret-key-missing"


class WrongUse(DriftGuardError):
    """The call itself is wrong."""

    exit_code = 3
    problem = "wrong-use"


class NotFound(WrongUse):
    """The thing named does not exist."""

    problem = "not-found"


class NotAllowed(WrongUse):
    """The caller may not do this."""

    problem = "not-allowed"


class NotSignedIn(WrongUse):
    """There is no credential, or it proves nobody."""

    problem = "not-signed-in"


class PreconditionMissing(WrongUse):
    """A change came without the ETag of the state that it was decided on."""

    problem = "precondition-missing"


class NoClearance(WrongUse):
    """A record came without the clearance that it needs."""

    problem = "no-clearance"


class AlreadyFinal(WrongUse):
    """The halt, proposal or lease can no longer change."""

    problem = "already-final"


class Stale(WrongUse):
    """The state changed since the caller saw it."""

    problem = "stale"


class OtherScope(WrongUse):
    """The resource belongs to another tenant or cloud than the job or the settings."""

    problem = "other-scope"


class BadConfiguration(DriftGuardError):
    """A setting, a policy file or the store's version is wrong."""

    exit_code = 3
    problem = "bad-configuration"


class HaltOpen(DriftGuardError):
    """Refused while a halt of the job is open."""

    exit_code = 1
    problem = "halt-open"


class Busy(DriftGuardError):
    """Another run holds the job's lease, or the job is settling."""

    exit_code = 4
    problem = "busy"


class Conflict(Busy):
    """A row was not at the expected version."""

    problem = "conflict"
