"""What the documents tell to type, copy or deploy works: recipes, pipelines, the picture, the files of the Functions app."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.entry.cli import run
from driftguard.flow.ports import Put
from driftguard.sandbox import SUBSCRIPTION, Sandbox
from tests.documents import DOCUMENTS, RUNBOOK, fenced
from tests.source_tree import ROOT, repository_files

APP = ("driftguard", "policies", "function_app.py", "host.json", "requirements.txt", "README.md", "LICENSE")


def test_the_pipelines_in_the_documents_are_yaml() -> None:
    blocks = [block for path in DOCUMENTS for kind, block in fenced(path.read_text(encoding="utf-8")) if kind == "yaml"]
    assert len(blocks) >= 3
    assert all(isinstance(yaml.safe_load(block), dict) for block in blocks)


def test_the_picture_is_well_formed_and_has_a_title_and_a_dark_mode() -> None:
    picture = ROOT / "docs/picture.svg"
    assert ElementTree.parse(picture).find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in picture.read_text(encoding="utf-8")


def test_the_functions_app_gets_what_it_needs_and_nothing_else() -> None:
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for path in repository_files():
        parts = path.relative_to(ROOT).parts
        ignored = any(fnmatch(part, pattern) for part in parts for pattern in patterns)
        assert ignored is (parts[0] not in APP), (
            f"{path.relative_to(ROOT)} goes into the app, or stays out of it, by mistake"
        )


@pytest.mark.parametrize("recipe", ["## Rotate the key", "## Backup"])
def test_the_recipes_of_the_runbook_work_on_a_store(recipe: str, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert run(["jobs", "list", "--store", str(path)], {}) == 3, "there is no store yet"
    store = open_sqlite(path)
    try:
        store.commit("job", [Put("kind", "id", {}, None)])
        section = RUNBOOK.read_text(encoding="utf-8").partition(recipe)[2].partition("\n## ")[0]
        script = re.search(r"<<'EOF_PYTHON'\n(.*?)^EOF_PYTHON$", section, re.MULTILINE | re.DOTALL)
        assert script is not None
        copy = tmp_path / "copy.db"
        command = [sys.executable, "-W", "error", "-", str(path), str(copy)]
        subprocess.run(command, input=script[1], text=True, check=True, cwd=ROOT, stdout=subprocess.PIPE)
    finally:
        store.close()
    if copy.exists():
        restored = open_sqlite(copy, create=False)
        assert restored.get("job", "kind", "id") is not None
        restored.close()
    else:
        assert path.with_name("store.db.key").read_text(encoding="ascii").count("=") == 2, "two keys, the old one kept"


def test_inside_ci_record_finds_the_clearance_of_its_own_run(tmp_path: Path) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-data"
    with Sandbox() as sandbox:
        environ = {
            "GITHUB_ACTIONS": "true",
            "DRIFTGUARD_STORE": str(tmp_path / "store.db"),
            "DRIFTGUARD_ARM_ENDPOINT": sandbox.endpoint,
            "DRIFTGUARD_ARM_TOKEN": "pipeline",
        }
        record, check = ["record", "--job", "j", "--resource-group", group], ["check", "--job", "j"]
        assert run(record, environ | {"GITHUB_RUN_ID": "1"}) == 0
        assert run(check, environ | {"GITHUB_RUN_ID": "2"}) == 0
        assert run(check, environ | {"GITHUB_RUN_ID": "3"}) == 4
        assert run(record, environ | {"GITHUB_RUN_ID": "2"}) == 0
        assert run(["check", "--job", "j", "--gate"], environ | {"GITHUB_RUN_ID": "3"}) == 0, "the lease is given back"
