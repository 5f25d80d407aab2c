"""docs/function-app.md names every setting that the app reads, and none that nobody reads."""

from __future__ import annotations

import re

from tests.documents import table
from tests.source_tree import ROOT

PAGE = ROOT / "docs/function-app.md"
OF_THE_HOST = {"AzureWebJobsStorage", "AzureWebJobsDisableHomepage"}


def test_every_setting_of_the_app_stands_in_its_document() -> None:
    settings = (ROOT / "driftguard/settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'"((?:DRIFTGUARD|AZURE)_[A-Z_]+)"', settings))
    triggers = set(re.findall(r"%([A-Z_]+)%", (ROOT / "function_app.py").read_text(encoding="utf-8")))
    page = PAGE.read_text(encoding="utf-8")
    not_for_it = set(re.findall(r"`([A-Z_]+)`", page.partition("Not for the app:")[2].partition("\n\n")[0]))
    rows = table(PAGE, "app setting")[1:]
    told = {row[0].strip("`") for row in rows}
    assert len(triggers) == 2 and not_for_it
    assert told == (read | triggers | OF_THE_HOST) - not_for_it
    assert all(len(row) == 4 and all(row) for row in rows), "each has a meaning and an example"


def test_what_is_needed_is_set_by_the_steps_to_publish() -> None:
    page = PAGE.read_text(encoding="utf-8")
    steps = page.partition("## Publish it")[2].partition("\n## ")[0]
    needed = {row[0].strip("`") for row in table(PAGE, "app setting")[1:] if row[1] == "yes"}
    assert {name for name in needed if f'"{name}=' not in steps} == {"AzureWebJobsStorage"}
    assert "have not been run" in steps.replace("\n", " ")
