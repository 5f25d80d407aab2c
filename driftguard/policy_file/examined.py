"""Looks a policy file through: everything that is wrong with it, and everything that is probably not meant.

Rules:
- A file that is wrong is told with all its problems; warnings are looked for once there are none.
- Nothing is raised for what is wrong with a file: that is the answer.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from driftguard.errors import BadConfiguration
from driftguard.flow.policy import BUILT_IN
from driftguard.flow.policy_notices import Examined, Notice, notices, superfluous
from driftguard.policy_file import load_policy
from driftguard.policy_file.tree import BadPolicyFile
from driftguard.policy_file.unknown_types import unknown_types


def examine(path: Path | None, *, folder: Path, today: date) -> Examined:
    """The policy of a file (None: the built-in default) as it is on a day (UTC); `folder` is the folder `policies/`."""
    source = str(path) if path else BUILT_IN
    try:
        policy = load_policy(path, folder=folder)
        warnings = (*notices(policy, today), *superfluous(policy, today), *unknown_types(policy, folder / "platform"))
    except BadPolicyFile as error:
        return Examined(source, None, error.found)
    except BadConfiguration as error:  # a shipped table: it names its own file
        return Examined(source, None, (Notice(str(folder), error.message, error.remedy),))
    return Examined(source, policy, (), tuple(sorted(warnings, key=lambda notice: (notice.file, notice.line or 0))))
