"""Drift Guard: halts automation that would overwrite somebody's manual change to an Azure resource."""

__version__ = "0.1.0"
