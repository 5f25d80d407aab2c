"""Reads Azure's SDK packages as text and tells which paths of a resource Azure writes itself."""
