"""Commands that make data files of the product; no part of it at run time."""
