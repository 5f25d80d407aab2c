"""docs/function-app.md names every setting that the app reads, and none that nobody reads."""

from __future__ import annotations

import re

from tests.documents import table
from tests.source_tree import ROOT
from tools.check_deployment.agreement import app_settings
from tools.check_deployment.app_code import functions_in, settings_read
from tools.check_deployment.bicep import read_bicep
from tools.check_deployment.tables import NOT_FOR_THE_APP, READ_BY_OTHERS

PAGE = ROOT / "docs/function-app.md"
OF_A_MACHINE = {"USERNAME"}


def test_every_setting_of_the_app_stands_in_its_document() -> None:
    read = settings_read(ROOT / "driftguard/settings.py") - OF_A_MACHINE
    triggers = {one.schedule.strip("%") for one in functions_in(ROOT / "function_app.py") if one.schedule}
    page = PAGE.read_text(encoding="utf-8")
    not_for_it = set(re.findall(r"`([A-Z_]+)`", page.partition("Not for the app:")[2].partition("\n\n")[0]))
    rows = table(PAGE, "app setting")[1:]
    told = {row[0].strip("`") for row in rows}
    assert len(triggers) == 2 and len(read) > 20
    assert told == (read | triggers | READ_BY_OTHERS.keys()) - not_for_it
    with_a_default = {name for name, why in NOT_FOR_THE_APP.items() if why.startswith("default ")}
    assert not_for_it == NOT_FOR_THE_APP.keys() - OF_A_MACHINE - with_a_default
    assert all(len(row) == 4 and all(row) for row in rows), "each has a meaning and an example"


def test_what_is_needed_or_advised_is_set_by_the_templates_and_nothing_else_but_the_cloud() -> None:
    rows = table(PAGE, "app setting")[1:]
    asked_for = {row[0] for row in rows if row[1] in ("yes", "advised")}
    assert {row[1] for row in rows} == {"yes", "advised", "no"}
    assert set(app_settings(read_bicep(ROOT / "deploy/modules/app.bicep"))) == asked_for | {"DRIFTGUARD_CLOUD"}


def test_the_steps_to_publish_say_that_they_were_not_run() -> None:
    steps = PAGE.read_text(encoding="utf-8").partition("## Publish it")[2].partition("\n## ")[0]
    assert "have not been run" in " ".join(steps.split())
