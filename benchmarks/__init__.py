"""Benchmarks: `python -m benchmarks`. Each measures one promise against its bound and prints one row of a table."""
