"""Each rule of test_architecture.py fails where it is broken: shown on a small package that breaks just that one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import source_tree
from tests import test_architecture as rules

BROKEN: list[tuple[Callable[[], None], str, str]] = [
    (rules.test_every_part_of_the_package_stands_in_the_table_of_layers, "extras/x.py", ""),
    (rules.test_imports_run_one_way, "flow/diff.py", "from driftguard.guard import scan"),
    (rules.test_imports_run_one_way, "guard/scan.py", "def f():\n    from driftguard.adapters.stores import sqlite"),
    (rules.test_imports_run_one_way, "adapters/arm.py", "from ..guard import scan"),
    (rules.test_imports_run_one_way, "sandbox/state.py", "from driftguard.flow import diff"),
    (rules.test_there_are_no_import_cycles, "flow/moment.py", "import driftguard.flow.resource"),
    (
        rules.test_there_are_no_import_cycles,
        "flow/moment.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from driftguard.flow import resource",
    ),
    (rules.test_every_file_of_flow_stands_in_the_order_of_steps, "flow/extra.py", ""),
    (rules.test_every_file_of_flow_stands_in_the_order_of_steps, "flow/diff/lists.py", ""),
    (rules.test_a_step_imports_earlier_steps_only, "flow/diff.py", "from driftguard.flow.halt import Halt"),
    (rules.test_a_step_imports_earlier_steps_only, "flow/diff.py", "from driftguard.flow import ports"),
    (rules.test_the_package_itself_imports_nothing, "__init__.py", "import json"),
    (rules.test_no_module_is_imported_by_a_name_made_at_run_time, "wiring.py", "__import__('x')"),
    (rules.test_only_the_settings_read_the_environment, "wiring.py", "from os import environ\nx = environ['A']"),
    (rules.test_only_the_settings_read_the_environment, "wiring.py", "import os\nx = os.getenv('A')"),
    (rules.test_judgement_and_verbs_read_no_clock_and_no_random_numbers, "guard/scan.py", "import time as t\nt.time()"),
    (
        rules.test_judgement_and_verbs_read_no_clock_and_no_random_numbers,
        "flow/check.py",
        "from datetime import datetime as d\nd.now()",
    ),
    (rules.test_judgement_and_verbs_read_no_clock_and_no_random_numbers, "flow/halt.py", "import uuid\nuuid.uuid4()"),
    (rules.test_judgement_and_verbs_name_no_product_and_no_host, "guard/deliver.py", "kind = 'Jira'  # a system"),
    (rules.test_a_broad_except_carries_its_reason, "wiring.py", "try:\n    pass\nexcept Exception:\n    pass"),
    (rules.test_a_broad_except_carries_its_reason, "wiring.py", "try:\n    pass\nexcept:\n    pass"),
    (rules.test_a_silenced_linter_or_type_check_names_its_code_and_reason, "wiring.py", "x = 1  # noqa: E501"),
    (rules.test_a_silenced_linter_or_type_check_names_its_code_and_reason, "wiring.py", "x = 1  # type: ignore[misc]"),
    (rules.test_a_silenced_linter_or_type_check_names_its_code_and_reason, "wiring.py", "# ruff: noqa"),
    (rules.test_no_file_speaks_of_the_machine_that_it_was_written_on, "README.md", rules.MACHINE_PATHS[0] + "main"),
]  # fmt: skip
ALL = [getattr(rules, name) for name in vars(rules) if name.startswith("test_") and not name.endswith("library_only")]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that keeps every rule, in the place of the real one."""
    monkeypatch.setattr(source_tree, "ROOT", tmp_path)
    monkeypatch.setattr(source_tree, "PACKAGE", tmp_path / "driftguard")
    for name in ("__init__", "guard/scan", "flow/moment", "flow/halt", "flow/ports", "adapters/stores/sqlite"):
        put(tmp_path / "driftguard", f"{name}.py", '"""On GitHub."""  # and by datetime.now')
    put(tmp_path / "driftguard", "settings.py", "import os\nx = os.environ  # noqa: E501 - because")
    put(tmp_path / "driftguard", "flow/resource.py", "def f():\n    from driftguard.flow import moment")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    source_tree.known.cache_clear()
    yield tmp_path / "driftguard"
    source_tree.known.cache_clear()


def put(package: Path, name: str, text: str) -> None:
    (package / name).parent.mkdir(parents=True, exist_ok=True)
    (package / name).write_text(text + "\n", encoding="utf-8")
    source_tree.tree.cache_clear()


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.__name__)
def test_a_package_that_keeps_the_rules_passes(small: Path, rule: Callable[[], None]) -> None:
    rule()


@pytest.mark.parametrize(("rule", "name", "text"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_package_that_breaks_a_rule_fails(small: Path, rule: Callable[[], None], name: str, text: str) -> None:
    put(small, name, text)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        rule()


@pytest.mark.parametrize("pure", ["flow", "sandbox"])
def test_a_package_of_others_in_a_pure_part_fails(small: Path, pure: str) -> None:
    rules.test_judgement_and_the_sandbox_need_the_standard_library_only(pure)
    put(small, f"{pure}/resource.py", "import requests")
    with pytest.raises(AssertionError):
        rules.test_judgement_and_the_sandbox_need_the_standard_library_only(pure)
