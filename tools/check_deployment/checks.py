"""All checks of the deployment, in the order in which their faults are told."""

from __future__ import annotations

from pathlib import Path

from tools.check_deployment.agreement import (
    alert_faults,
    azd_faults,
    function_faults,
    publishing_faults,
    schedule_faults,
    setting_faults,
    silence_faults,
)
from tools.check_deployment.templates import parameter_faults, read_templates, template_faults


def faults(root: Path) -> list[str]:
    """Every fault of the deployment of the project in this folder; one line each."""
    templates, unreadable = read_templates(root / "deploy")
    if unreadable:
        return unreadable
    missing = [name for name in ("main.bicep", "modules/app.bicep", "modules/alerts.bicep") if name not in templates]
    if missing:
        return [f"deploy/{name}: is not there" for name in missing]
    main, app, alerts = (templates[name] for name in ("main.bicep", "modules/app.bicep", "modules/alerts.bicep"))
    return [
        *template_faults(root / "deploy", templates),
        *parameter_faults(root / "deploy", main),
        *setting_faults(root, app),
        *schedule_faults(root, main),
        *function_faults(root, app),
        *alert_faults(root, alerts),
        *silence_faults(main),
        *azd_faults(root, main, app),
        *publishing_faults(root),
    ]
