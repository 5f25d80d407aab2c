"""The pipeline systems that are told of a halt, by name."""

from __future__ import annotations

from driftguard.adapters.pipelines.exit_code import ExitCode

PIPELINES = {"exit-code": ExitCode}
