"""The hook that makes the secret key, run by a real shell with an Azure CLI that answers from files."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.source_tree import ROOT

HOOK = ROOT / "deploy/hooks/secret-key.sh"
AZ = """#!/bin/sh
echo "$*" >>"$FAKE/calls"
case "$1 $2 $3" in
"account show "*)
  if [ -f "$FAKE/signed-out" ]; then echo "Please run 'az login' to setup account." >&2; exit 1; fi ;;
"keyvault secret list")
  if [ -s "$FAKE/refused" ]; then sed -i 1d "$FAKE/refused"; cat "$FAKE/refusal" >&2; exit 1; fi
  if [ -f "$FAKE/there" ]; then echo driftguard-secret-key; fi ;;
"keyvault secret list-deleted")
  if [ -f "$FAKE/deleted-refused" ]; then exit 1; fi
  if [ -f "$FAKE/deleted" ]; then echo driftguard-secret-key; fi ;;
"keyvault secret set")
  while [ "$1" != --file ]; do shift; done
  cp "$2" "$FAKE/key"; ls -l "$2" >"$FAKE/mode"; echo "$2" >"$FAKE/path"; touch "$FAKE/there"
  if [ -f "$FAKE/set-fails" ]; then exit 1; fi ;;
"rest --method post") echo "${MSYS_NO_PATHCONV-}" >"$FAKE/unconverted" ;;
*) exit 9 ;;
esac
"""
NOT_YET = "ERROR: (Forbidden) Caller is not authorized to perform action on resource.\nInner error: ForbiddenByRbac\n"
FOR_EVER = {
    "a vault that is not there": "ERROR: Failed to resolve 'kv-1.vault.azure.net'\n",
    "a firewall": "ERROR: (Forbidden) Client address is not authorized.\nInner error: {'code': 'ForbiddenByFirewall'}\n",
    "a sign-in that ended": "ERROR: AADSTS700082: The refresh token has expired.\n",
}


class Vault:
    """A vault as the hook sees it. `state` names files that say how it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        az = folder / "az"
        az.write_text(AZ, encoding="utf-8")
        az.chmod(0o755)
        self.having(refusal=NOT_YET)

    def having(self, **state: str) -> Vault:
        for name, text in state.items():
            (self.folder / name.replace("_", "-")).write_text(text, encoding="utf-8")
        return self

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": f"{self.folder}:{os.environ['PATH']}", "FAKE": str(self.folder), "PAUSE": "0", "TRIES": "3",
            "AZURE_KEY_VAULT_NAME": "kv-1", "SECRET_KEY_NAME": "driftguard-secret-key",
            "APP_ID": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a", **environment,
        }  # fmt: skip
        return subprocess.run(["sh", str(HOOK)], env=given, capture_output=True, text=True, check=False)

    @property
    def key(self) -> str | None:
        file = self.folder / "key"
        return file.read_text(encoding="utf-8") if file.exists() else None

    @property
    def calls(self) -> str:
        return (self.folder / "calls").read_text(encoding="utf-8")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def test_a_missing_key_is_made_of_32_random_bytes_and_told_to_nobody(vault: Vault) -> None:
    told = vault.run()
    assert told.returncode == 0, told.stderr
    assert vault.key is not None and len(base64.b64decode(vault.key, validate=True)) == 32
    assert vault.key not in told.stdout + told.stderr + vault.calls
    assert (vault.folder / "mode").read_text().startswith("-rw-------")
    assert not Path((vault.folder / "path").read_text().strip()).parent.exists(), "the file is gone"
    assert vault.calls.splitlines()[-1].endswith(
        "/sites/a/config/configreferences/appsettings/refresh?api-version=2022-03-01"
    )


def test_a_key_that_is_there_stays_and_the_app_looks_again(vault: Vault) -> None:
    told = vault.having(there="").run()
    assert told.returncode == 0 and "it stays as it is" in told.stdout
    assert vault.key is None and " set " not in vault.calls and "refresh" in vault.calls


def test_two_runs_make_one_key(vault: Vault) -> None:
    vault.run()
    first = vault.key
    assert vault.run().returncode == 0 and vault.key == first


def test_a_deleted_key_is_recovered_by_a_person_and_never_replaced(vault: Vault) -> None:
    told = vault.having(deleted="").run()
    assert told.returncode == 1 and "az keyvault secret recover" in told.stderr
    assert vault.key is None


def test_a_vault_that_does_not_say_what_was_deleted_gets_no_key(vault: Vault) -> None:
    assert vault.having(deleted_refused="").run().returncode != 0
    assert vault.key is None


def test_a_role_that_does_not_work_yet_is_waited_for(vault: Vault) -> None:
    assert vault.having(refused="1\n2\n").run().returncode == 0
    assert vault.key is not None


def test_a_vault_that_refuses_all_the_while_gets_no_key(vault: Vault) -> None:
    told = vault.having(refused="1\n2\n3\n4\n").run()
    assert told.returncode == 1 and "Key Vault Secrets Officer" in told.stderr
    assert vault.key is None and vault.calls.count("secret list ") == 3


@pytest.mark.parametrize("refusal", FOR_EVER.values(), ids=FOR_EVER)
def test_what_time_does_not_mend_is_not_waited_for(vault: Vault, refusal: str) -> None:
    told = vault.having(refused="1\n2\n3\n4\n", refusal=refusal).run()
    assert told.returncode == 1 and refusal in told.stderr and "azd hooks run postprovision" in told.stderr
    assert vault.key is None and vault.calls.count("secret list ") == 1


def test_who_is_not_signed_in_is_told_at_once(vault: Vault) -> None:
    told = vault.having(signed_out="").run()
    assert told.returncode == 1 and "Sign in with az login" in told.stderr
    assert vault.calls == "account show --output none\n"


def test_without_the_azure_cli_the_hook_says_so_at_once(vault: Vault, tmp_path: Path) -> None:
    (vault.folder / "az").unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "mktemp", "rm", "grep", "cat", "sleep"):
        (tools / name).symlink_to(str(shutil.which(name)))
    told = vault.run(PATH=str(tools))
    assert told.returncode == 1 and "the Azure CLI (az) is not installed" in told.stderr


def test_the_id_of_the_app_is_no_path_for_git_bash_and_the_file_of_the_key_is_one(vault: Vault) -> None:
    vault.run()
    assert (vault.folder / "unconverted").read_text() == "1\n", "az rest gets /subscriptions/... as it is"
    assert HOOK.read_text(encoding="utf-8").count("MSYS_NO_PATHCONV=1 az") == 1
    assert "export MSYS" not in HOOK.read_text(encoding="utf-8")


def test_a_refused_write_fails_and_leaves_no_file_behind(vault: Vault) -> None:
    assert vault.having(set_fails="").run().returncode != 0
    assert not Path((vault.folder / "path").read_text().strip()).exists()
    assert "refresh" not in vault.calls


@pytest.mark.parametrize("name", ["AZURE_KEY_VAULT_NAME", "SECRET_KEY_NAME", "APP_ID"])
def test_without_what_azd_gives_nothing_is_asked(vault: Vault, name: str) -> None:
    assert vault.run(**{name: ""}).returncode != 0
    assert not (vault.folder / "calls").exists()


def test_the_hook_can_be_run_and_is_plain_posix_shell() -> None:
    assert HOOK.stat().st_mode & stat.S_IXUSR
    assert HOOK.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", str(HOOK)], check=False).returncode == 0
