"""Loads the policy files: YAML and JSON as people wrote them, into `flow.policy.Policy`.

Rules:
- A file that was named and is missing, unreadable or wrong is an error with file, line and remedy; never a default.
- `tolerated.yaml`, `unread.yaml` and `platform/` of the folder always apply, whatever file is named.
- The digest covers what judges and who may act on it, not how it was written: comments, order of keys and `2m` for `120s` do
  not change it. A key of a later version counts where it is used only, so that earlier files keep their digest.
- How long things are kept judges nothing: `retention` is no part of the digest, so that nothing is sealed again for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from driftguard.flow.policy import BUILT_IN, JobPolicy, Policy, Rule
from driftguard.flow.retention import Retention
from driftguard.policy_file.keys import POLICY, TOLERATED, UNREAD
from driftguard.policy_file.platform_tables import PlatformTables
from driftguard.policy_file.tree import read_file

_LATER_KEYS = ("pipelines", "scopes")


def load_policy(path: Path | None, *, folder: Path) -> Policy:
    """The policy of a file, or the built-in default where `path` is None; `folder` is the folder `policies/`.

    Raises BadConfiguration, with the first problems as lines `file:line: text`.
    """
    file = path or folder / "default.yaml"
    own = read_file(file, POLICY)
    tolerated = read_file(folder / "tolerated.yaml", TOLERATED, shared=True)
    unread = read_file(folder / "unread.yaml", UNREAD, shared=True)
    platform = PlatformTables.of(folder / "platform")
    built_in = JobPolicy(identities=own.get("identities", {}), where=str(file))
    defaults = _job_policy(built_in, own.get("defaults", {}))
    tolerating = (replace(rule, name=f"tolerated: {rule.name}") for rule in tolerated.get("rules", ()))
    policy = Policy(
        source=str(path) if path else BUILT_IN,
        digest="",
        platform=platform,
        jobs=tuple(_job_policy(defaults, entry) for entry in own.get("jobs", ())),
        defaults=defaults,
        rules=(*own.get("rules", ()), *tolerating),
        api_versions=own.get("api_versions", {}),
        unread_settings=unread.get("types", {}),
        retention=Retention(**own.get("retention", {})),
    )
    return replace(policy, digest=_digest(policy, platform))


def _job_policy(base: JobPolicy, given: Mapping[str, Any]) -> JobPolicy:
    on_drift = {**base.on_drift, **given.get("on_drift", {})}
    return replace(base, **{**given, "on_drift": on_drift})


def _digest(policy: Policy, platform: PlatformTables) -> str:
    """SHA-256 (hex) over the resolved values, without the places that they were read from."""
    judging = [policy.jobs, policy.defaults, policy.rules, policy.api_versions, platform.digests()]
    text = json.dumps(judging, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, (JobPolicy, Rule)):
        return asdict(value, dict_factory=_counting)
    return str(value)  # a day


def _counting(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: item for key, item in items if key != "where" and (item is not None or key not in _LATER_KEYS)}
