"""`python -m driftguard`."""

from driftguard.entry.cli import main

main()
