"""Checks that deploy/, azure.yaml, host.json, function_app.py, settings.py and the documents agree with each other.

`python -m tools.check_deployment [FOLDER]` prints one line for each fault, and exits with 1 where there is one.

Rules:
- Text only: nothing is compiled, deployed or asked of Azure. That Azure accepts the templates is not shown by this.
- What cannot be parsed is a fault.
"""
