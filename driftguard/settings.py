"""Settings: the one reader of the environment.

| setting | meaning | default |
|---|---|---|
| DRIFTGUARD_STORE | path of the SQLite store, or azure://ACCOUNT[/NAME] | .driftguard/store.db (refused inside CI) |
| DRIFTGUARD_STORE_CONNECTION | connection string of that storage account | signed in with azure-identity |
| DRIFTGUARD_SECRET_KEY | the keys that turn secrets into marks, the active one first | a file beside the SQLite store |
| DRIFTGUARD_ANCHORS | where ledger heads are anchored: a folder, or azure://ACCOUNT/CONTAINER | none |
| DRIFTGUARD_ANCHORS_CONNECTION | connection string of that storage account | that of the store, where the account is the same |
| DRIFTGUARD_BLOB_CONNECTION | connection string of the account whose blobs are guarded | signed in with azure-identity |
| APPLICATIONINSIGHTS_CONNECTION_STRING | where telemetry goes | none: nothing is measured |
| DRIFTGUARD_POLICY | path of the policy file | the built-in default |
| DRIFTGUARD_TICKETS | folder for the notes on change tickets | tickets/ beside the store |
| DRIFTGUARD_CLOUD | public, usgov or china | public |
| AZURE_TENANT_ID | tenant that everything must be of | the job's own |
| DRIFTGUARD_READ_TIMEOUT | seconds to wait for one answer of ARM | 30 |
| DRIFTGUARD_LOG_LATENCY | seconds after which the Activity Log is taken to be complete | 1200 |
| DRIFTGUARD_ARM_ENDPOINT, DRIFTGUARD_ARM_TOKEN | an ARM on this machine (the sandbox) and its token | none |
| DRIFTGUARD_SERVER | address of a service that the commands work with | none: in process |
| DRIFTGUARD_TOKEN | token for the service; driftguard serve prints its own | signed in with azure-identity |
| DRIFTGUARD_SERVER_SCOPE | scope to sign in for, such as api://…/.default | none |
| DRIFTGUARD_FUNCTION_KEY | function key of the service's app on Azure | none |
| DRIFTGUARD_AUTH_TENANT | tenant whose tokens a service accepts | none: loopback only |
| DRIFTGUARD_AUTH_AUDIENCE | audiences that a service accepts, with commas between them | none |
| DRIFTGUARD_AUTH_AUTHORITY | an identity provider on this machine, for trying things out | that of the cloud |

Inside CI (one of CI, TF_BUILD, GITHUB_ACTIONS, GITLAB_CI, JENKINS_URL is set) run, stage and starter come from the CI
system's own variables (`RUN_VARIABLES`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from driftguard.errors import BadConfiguration
from driftguard.flow.resource import CLOUDS

CI_MARKS = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL")
DEFAULT_STORE = Path(".driftguard/store.db")

_SECRET_IN_PLACE = re.compile(r"(accountkey|sharedaccesssignature|sharedaccesskey|\bsig)\s*=", re.IGNORECASE)

# (mark, run, stage, starter): the first CI system whose mark is set speaks.
RUN_VARIABLES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("TF_BUILD", "BUILD_BUILDID", "SYSTEM_STAGENAME", ("BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR")),
    ("GITHUB_ACTIONS", "GITHUB_RUN_ID", "GITHUB_JOB", ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR")),
    ("GITLAB_CI", "CI_PIPELINE_ID", "CI_JOB_STAGE", ("GITLAB_USER_EMAIL", "GITLAB_USER_LOGIN")),
    ("JENKINS_URL", "BUILD_TAG", "STAGE_NAME", ("BUILD_USER_ID",)),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. `in_ci`: a build machine; `run`, `stage`, `starter`: what the CI system tells.

    `server`, `token`, `server_scope` and `function_key` make the commands the client of a service; the `auth_…` ones say
    whom a service lets in. `store_address` is that of a store on Azure; `store` is then only the place of what this machine
    keeps beside it. The `…_connection` ones, `secret_key` and `telemetry` are secrets, and never shown.
    """

    store: Path
    store_is_default: bool
    policy: Path | None
    tickets: Path
    cloud: str
    tenant: str
    read_timeout: float
    log_latency: float
    arm_endpoint: str | None
    arm_token: str | None = field(repr=False)
    in_ci: bool
    run: str | None
    stage: str | None
    starter: str | None
    server: str | None = None
    token: str | None = field(default=None, repr=False)
    server_scope: str | None = None
    function_key: str | None = field(default=None, repr=False)
    auth_tenant: str = ""
    auth_audiences: tuple[str, ...] = ()
    auth_authority: str | None = None
    store_address: str = ""
    store_connection: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    anchors: str = ""
    anchors_connection: str | None = field(default=None, repr=False)
    blob_connection: str | None = field(default=None, repr=False)
    telemetry: str | None = field(default=None, repr=False)

    @property
    def store_name(self) -> str:
        """The store as a person knows it: its path or its address."""
        return self.store_address or str(self.store)

    @property
    def store_may_be_there(self) -> bool:
        """False for a local store without its file; a store elsewhere can be asked only by using it."""
        return bool(self.store_address) or self.store.exists()


def process_environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ


def read_settings(
    environ: Mapping[str, str], *, store: str | None = None, policy: str | None = None, server: str | None = None
) -> Settings:
    """The settings; what a command line names goes before the environment. Raises BadConfiguration.

    A secret in the place of a store or of anchors is refused: places are shown.
    """
    in_ci = any(environ.get(mark) for mark in CI_MARKS)
    server = server or environ.get("DRIFTGUARD_SERVER") or None
    # A service has a store of its own: what the environment says of one here is not looked at.
    place = "" if server else store or environ.get("DRIFTGUARD_STORE") or ""
    anchors = environ.get("DRIFTGUARD_ANCHORS") or ""
    _refuse_secret("store", place, "DRIFTGUARD_STORE_CONNECTION")
    _refuse_secret("place for anchors", anchors, "DRIFTGUARD_ANCHORS_CONNECTION")
    address = place if place.startswith("azure://") else ""
    path, is_default = _store_path("" if address else place)
    run, stage, starter = _run(environ)
    named_policy = policy or environ.get("DRIFTGUARD_POLICY")
    return Settings(
        store=path,
        store_is_default=is_default and not address,
        policy=Path(named_policy) if named_policy else None,
        tickets=Path(environ.get("DRIFTGUARD_TICKETS") or path.parent / "tickets"),
        cloud=_cloud(environ),
        tenant=environ.get("AZURE_TENANT_ID", "").lower(),
        read_timeout=_seconds(environ, "DRIFTGUARD_READ_TIMEOUT", 30.0),
        log_latency=_seconds(environ, "DRIFTGUARD_LOG_LATENCY", 1200.0, least=0.0),
        arm_endpoint=environ.get("DRIFTGUARD_ARM_ENDPOINT") or None,
        arm_token=environ.get("DRIFTGUARD_ARM_TOKEN") or None,
        in_ci=in_ci,
        run=run,
        stage=stage,
        starter=starter or (None if in_ci else _os_user(environ)),
        server=server,
        token=environ.get("DRIFTGUARD_TOKEN") or None,
        server_scope=environ.get("DRIFTGUARD_SERVER_SCOPE") or None,
        function_key=environ.get("DRIFTGUARD_FUNCTION_KEY") or None,
        auth_tenant=environ.get("DRIFTGUARD_AUTH_TENANT", "").strip().lower(),
        auth_audiences=tuple(
            text for text in map(str.strip, environ.get("DRIFTGUARD_AUTH_AUDIENCE", "").split(",")) if text
        ),
        auth_authority=environ.get("DRIFTGUARD_AUTH_AUTHORITY") or None,
        store_address=address,
        store_connection=environ.get("DRIFTGUARD_STORE_CONNECTION") or None,
        secret_key=environ.get("DRIFTGUARD_SECRET_KEY") or None,
        anchors=anchors,
        anchors_connection=environ.get("DRIFTGUARD_ANCHORS_CONNECTION") or None,
        blob_connection=environ.get("DRIFTGUARD_BLOB_CONNECTION") or None,
        telemetry=telemetry_setting(environ),
    )


def telemetry_setting(environ: Mapping[str, str]) -> str | None:
    """Where telemetry goes; to be had also where another setting is wrong, so that this can be measured."""
    return environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING") or None


def require_lasting_store(settings: Settings) -> None:
    """Raises BadConfiguration for the default store inside CI: it would be thrown away with the build machine."""
    if settings.in_ci and settings.store_is_default:
        raise BadConfiguration(
            "the default store is refused inside CI: it would be thrown away with the build machine",
            "set DRIFTGUARD_STORE, or --store, to a place that lasts",
        )


def _store_path(text: str) -> tuple[Path, bool]:
    if "://" in text:
        raise BadConfiguration(
            f"this version has no store for {text.partition('://')[0]}://",
            "name the path of a SQLite store, or azure://ACCOUNT",
        )
    # The default is refused inside CI however it is spelled.
    path = Path(text) if text else DEFAULT_STORE
    return path, path.absolute() == DEFAULT_STORE.absolute()


def _refuse_secret(what: str, place: str, setting: str) -> None:
    """Raises BadConfiguration for a connection string, or an address with a signature, in the place of an address or path.

    Addresses and paths are shown, so it is refused before anything can show it, and is not quoted.
    """
    if _SECRET_IN_PLACE.search(unquote(place)):
        raise BadConfiguration(
            f"the {what} is named by a connection string or a signed address, which holds a secret",
            f"name a path or azure://ACCOUNT/NAME, and set {setting} to the connection string",
        )


def _cloud(environ: Mapping[str, str]) -> str:
    cloud = environ.get("DRIFTGUARD_CLOUD") or "public"
    if cloud not in CLOUDS:
        raise BadConfiguration(f"DRIFTGUARD_CLOUD is {cloud!r}", f"use one of: {', '.join(CLOUDS)}")
    return cloud


def _seconds(environ: Mapping[str, str], name: str, default: float, *, least: float = 0.01) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not least <= seconds < 1e6:
        raise BadConfiguration(f"{name} is {text!r}", "write a number of seconds, such as 30")
    return seconds


def _run(environ: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    for mark, run, stage, starters in RUN_VARIABLES:
        if environ.get(mark):
            starter = next((environ[name] for name in starters if environ.get(name)), None)
            return environ.get(run) or None, environ.get(stage) or None, starter
    return None, None, None


def _os_user(environ: Mapping[str, str]) -> str | None:
    """The operating system's user by its id, since a variable can say anything; by the variable where there is no id."""
    try:
        import pwd
    except ImportError:  # reason: Windows has no user database of this form
        return environ.get("USERNAME") or None
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
