"""The demo: the story of a manual change, told with the real commands against the sandbox.

Rules:
- Every command goes the way of the console script, with an environment of its own: no variable of a CI system, a store in
  a folder that is thrown away (or kept on request), the sandbox as ARM.
- A store that is named instead must not know the demo's job. Of the caller's environment only what opens that store is
  taken over (`_OPENS_A_STORE`); what the demo writes there stays.
- Each step says which exit code the story wants; another one ends the demo as failed.
- What people and Azure do is done to the sandbox; what Drift Guard does is a command that a user could type.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from driftguard.errors import WrongUse
from driftguard.sandbox import SUBSCRIPTION, Sandbox

JOB = "shop-prod"
TICKET = "CHG0030001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
NSG = f"{NETWORK}/networkSecurityGroups/nsg-web"
VNET = f"{NETWORK}/virtualNetworks/vnet-shop"
ROUTES = f"{NETWORK}/routeTables/rt-shop"
RULE = "allow-ssh-emergency"
PERSON = "anna.berg@contoso.com"
REVIEWER = "dana.okoye@contoso.com"
_OPENS_A_STORE = ("DRIFTGUARD_STORE_CONNECTION", "DRIFTGUARD_SECRET_KEY")
_UNTIL_NIGHT, _UNTIL_MORNING = timedelta(hours=15), timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story: what was typed (or done), its exit code, how long it took in seconds."""

    name: str
    command: str
    exit_code: int
    seconds: float


@dataclass
class Told:
    """The story as it went. `halt` is {"id", "digest", "resources", "changes", "actor"} once there is one."""

    steps: list[Step] = field(default_factory=list)
    halt: dict[str, Any] | None = None
    ok: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        steps = [
            {"name": s.name, "command": s.command, "exit_code": s.exit_code, "seconds": round(s.seconds, 3)}
            for s in self.steps
        ]
        return {"ok": self.ok, "steps": steps, "halt": self.halt}


class _WentWrong(Exception):
    """A step answered otherwise than the story wants; never leaves this module."""


Run = Callable[[Sequence[str], Mapping[str, str]], int]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A store to play on instead of one in the demo's folder; `environ` is the caller's environment."""

    store: str
    environ: Mapping[str, str]

    def settings(self) -> dict[str, str]:
        """The settings of a command that works with it."""
        taken = {name: self.environ[name] for name in _OPENS_A_STORE if self.environ.get(name)}
        return {"DRIFTGUARD_STORE": self.store, **taken}


def play(run: Run, keep: str | None, tell: Callable[[str], None], elsewhere: Elsewhere | None = None) -> Told:
    """Play the story; `run` runs one command line, `tell` gets what a person should read.

    The result says whether every step went as it should. Raises WrongUse for a folder that holds something or cannot be
    written, where no temporary one can be made, or for a store that knows the demo's job already.
    """
    told = Told()
    # The sandbox's clock begins so that it says the real time when the next run starts.
    begin = datetime.now(UTC) - _UNTIL_NIGHT - _UNTIL_MORNING
    with _folder(keep) as folder, Sandbox(clock_start=begin) as sandbox:
        story = _Story(run, sandbox, folder, told, tell, elsewhere)
        story.require_a_new_job()
        try:
            story.play()
            told.ok = True
        except _WentWrong as error:
            tell(f"\n{error}")
        except OSError as error:
            tell(f"\nthe demo's folder cannot be used any more: {error.strerror}")
    return told


_ANOTHER = "name an empty folder that can be written, or a new one"


@contextlib.contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    """An empty folder with the demo's policy in it; without `keep` it is thrown away."""
    with contextlib.ExitStack() as stack:
        try:
            folder = _kept(keep) if keep is not None else Path(stack.enter_context(_thrown_away()))
            (folder / "policy.yaml").write_text(_POLICY, encoding="utf-8")
        except OSError as error:
            place = "a temporary folder" if keep is None else f"the folder {keep}"
            remedy = "set TMPDIR, or use --keep FOLDER" if keep is None else _ANOTHER
            raise WrongUse(f"{place} cannot be written ({error.strerror})", remedy) from error
        yield folder


def _thrown_away() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="driftguard-demo-", ignore_cleanup_errors=True)


def _kept(keep: str) -> Path:
    folder = Path(keep)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise WrongUse(f"the folder {keep} is not empty", _ANOTHER)
    return folder


class _Story:
    def __init__(
        self,
        run: Run,
        sandbox: Sandbox,
        folder: Path,
        told: Told,
        tell: Callable[[str], None],
        elsewhere: Elsewhere | None,
    ) -> None:
        self._cli, self._sandbox, self._folder, self._told, self._tell = run, sandbox, folder, told, tell
        self._halt = ""
        self._environ = {
            **(elsewhere.settings() if elsewhere else {"DRIFTGUARD_STORE": str(folder / "store.db")}),
            "DRIFTGUARD_TICKETS": str(folder / "tickets"),
            "DRIFTGUARD_POLICY": str(folder / "policy.yaml"),
            "DRIFTGUARD_ARM_ENDPOINT": sandbox.endpoint,
            "DRIFTGUARD_ARM_TOKEN": "pipeline",
            # The sandbox's Activity Log tells at once; Azure's takes up to 20 minutes.
            "DRIFTGUARD_LOG_LATENCY": "0",
        }

    def require_a_new_job(self) -> None:
        """Raises WrongUse where the store knows the job: the story would go on from there, and leave its traces in it."""
        if self._call(["jobs", "show", JOB, "--json"])[0] == 0:
            raise WrongUse(
                f"the store {self._environ['DRIFTGUARD_STORE']} has a job {JOB} already",
                "name another store, such as azure://ACCOUNT/demo1",
            )

    def play(self) -> None:
        self._chapter("The release pipeline deploys, and what it left is recorded.")
        first = self._deploy("release-41")
        self._run("record", ["record", "--job", JOB, "--deployment", first, "--resource-group", GROUP], 0)
        clearance = self._clearance("check: nothing changed", "42", 0)
        second = self._deploy("release-42")
        self._run(
            "record under the clearance",
            ["record", "--job", JOB, "--clearance", clearance, "--deployment", second, "--resource-group", GROUP],
            0,
        )

        self._chapter("At night: an incident. Meanwhile others, and Azure itself, touch the same network.")
        self._sandbox.advance(_UNTIL_NIGHT.total_seconds())
        self._do(
            f"{PERSON} opens port 22 in the portal",
            "Azure portal: network security group nsg-web, add rule",
            self._open_port,
        )
        self._do("a machine is attached to a subnet elsewhere", "az network nic create --subnet web", self._attach_nic)
        self._do("an ETag moves without a change", "(Azure) an update behind the scenes", self._move_etag)
        self._sandbox.advance(_UNTIL_MORNING.total_seconds())

        self._chapter("The next run would overwrite the fix.")
        answer = self._check("check halts the run", "43", 1)
        self._learn(answer)
        self._read_note()
        again = self._check("the pipeline runs again: the same halt", "44", 1)
        self._require(again["halt"]["id"] == self._halt, "the same difference must be the same halt")

        self._chapter("A reviewer keeps the change, and the team puts it into the code.")
        self._run(
            "the reviewer keeps the change",
            [
                "halts",
                "decide",
                self._halt,
                "keep",
                "--reason",
                "SSH from the jump host is needed until Friday",
                "--as",
                REVIEWER,
            ],
            0,
        )
        self._run(
            "and confirms that it is in the code",
            ["halts", "confirm", self._halt, "--in-code", "9f2c1ab", "--for-run", "45", "--as", REVIEWER],
            0,
        )
        clearance = self._clearance("check proceeds", "45", 0)
        third = self._deploy("release-45", with_rule=True)
        recorded = self._run(
            "the record proves that it survived",
            ["record", "--job", JOB, "--clearance", clearance, "--deployment", third, "--resource-group", GROUP],
            0,
        )
        self._require("survived" in recorded, "the record must say that the kept change survived")
        self._run("the note is up to date", ["deliver"], 0)
        evidence = next(self._folder.glob(f"tickets/*/{self._halt}.evidence-*.json"), None)
        self._require(evidence is not None, "the evidence must be beside the note")
        self._run("verify", ["verify", str(evidence), "--store"], 0)

    def _clearance(self, name: str, run: str, wanted: int) -> str:
        return str(self._check(name, run, wanted)["clearance"])

    def _check(self, name: str, run: str, wanted: int) -> dict[str, Any]:
        """Check as a user types it, and once more for machines: the second answer is the same, from the same lease."""
        words = ["check", "--job", JOB, "--run", run, "--ticket", TICKET]
        self._run(name, words, wanted)
        code, out = self._call([*words, "--json"])
        self._require(code == wanted, f"--json must answer the same exit code, it was {code}")
        answer: dict[str, Any] = json.loads(out)
        return answer

    def _learn(self, answer: dict[str, Any]) -> None:
        halt = answer["halt"]
        held = [finding for finding in answer["findings"] if finding["action"] == "halt"]
        self._halt = str(halt["id"])
        self._told.halt = {
            "id": self._halt,
            "digest": halt["digest"],
            "resources": [finding["resource"] for finding in held],
            "changes": [
                change for finding in held for change in finding["changes"] if change["class"] == "configuration"
            ],
            "actor": (held[0].get("attribution") or {}).get("who", "") if held else "",
        }
        changed = [change["path"] for change in self._told.halt["changes"]]
        self._require(any(RULE in path for path in changed), "the halt must name the opened rule")
        self._require(self._told.halt["actor"] == PERSON, "the halt must name who opened it")
        self._require(len(held) == 1, "noise must not be held against anybody")

    def _read_note(self) -> None:
        note = next(self._folder.glob(f"tickets/{TICKET}/{self._halt}.md"), None)
        self._require(note is not None, "the note must be on the ticket")
        if note is not None:
            text = note.read_text(encoding="utf-8")
            self._require(RULE in text and PERSON.split("@")[0] in text, "the note must name the rule and the person")
            self._do("the note on the ticket", f"cat tickets/{TICKET}/{note.name}", lambda: self._tell(_indented(text)))

    def _deploy(self, name: str, *, with_rule: bool = False) -> str:
        """The release pipeline deploys network security group and route table; the id of the deployment."""
        made: dict[str, Any] = {}

        def deploy() -> None:
            group = self._sandbox.get(NSG) or {}
            rules = [rule for rule in group["properties"]["securityRules"] if with_rule or rule["name"] != RULE]
            routes = self._sandbox.get(ROUTES) or {}
            body = {**group, "tags": {**group.get("tags", {}), "release": name}}
            body["properties"] = {**group["properties"], "securityRules": rules}
            made.update(
                self._sandbox.deploy(name, [body, {**routes, "tags": {**routes.get("tags", {}), "release": name}}])
            )

        command = (
            f"az deployment group create --resource-group rg-shop-network --name {name} --template-file main.bicep"
        )
        self._do(f"the pipeline deploys {name}", command, deploy)
        return str(made["id"])

    def _open_port(self) -> None:
        rule = {
            "protocol": "Tcp",
            "access": "Allow",
            "direction": "Inbound",
            "priority": 310,
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "22",
        }
        self._sandbox.put(f"{NSG}/securityRules/{RULE}", {"properties": rule}, as_=f"person-portal:{PERSON}")

    def _attach_nic(self) -> None:
        subnet = f"{VNET}/subnets/web"
        configuration = {
            "name": "ipconfig1",
            "properties": {"subnet": {"id": subnet}, "privateIPAllocationMethod": "Dynamic"},
        }
        nic = f"{GROUP.replace('network', 'app')}/providers/Microsoft.Network/networkInterfaces/nic-batch-7"
        body = {"location": "westeurope", "properties": {"ipConfigurations": [configuration]}}
        self._sandbox.put(nic, body, as_="other-pipeline")

    def _move_etag(self) -> None:
        self._sandbox.touch(f"{NETWORK}/publicIPAddresses/pip-jump")

    def _run(self, name: str, words: Sequence[str], wanted: int) -> str:
        """One command as a user would type it; its output."""
        command = "driftguard " + " ".join(_quoted(word) for word in words)
        self._tell(f"\n$ {command}")
        start = time.perf_counter()
        code, out = self._call(words)
        self._told.steps.append(Step(name, command, code, time.perf_counter() - start))
        self._tell(f"{_indented(out.rstrip())}\n  exit code {code}")
        self._require(code == wanted, f"the exit code of this step must be {wanted}, it was {code}")
        return out

    def _call(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a command the way of the console script; exit code and all that it printed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = self._cli(words, self._environ)
        return code, printed.getvalue()

    def _do(self, name: str, command: str, act: Callable[[], None]) -> None:
        """Something that others do, or that a person looks at."""
        self._tell(f"\n$ {command}")
        start = time.perf_counter()
        act()
        self._told.steps.append(Step(name, command, 0, time.perf_counter() - start))

    def _chapter(self, text: str) -> None:
        self._tell(f"\n== {text}")

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise _WentWrong(what)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


_POLICY = """\
version: 1
jobs:
  - match: "shop-*"
    principals: [{app_id: aaaaaaaa-0001-4000-8000-000000000001, label: release pipeline}]
"""
