"""Puts the top-level folder `policies/` into the wheel as `driftguard/policies`; all else is said in pyproject.toml.

A folder of data counts as a package here: setuptools asks for it, and so no file of any folder is left out.
"""

from setuptools import find_namespace_packages, setup

code = find_namespace_packages(include=["driftguard", "driftguard.*"], exclude=["*.__pycache__"])
policies = ["policies", *(f"policies.{folder}" for folder in find_namespace_packages("policies"))]

setup(
    packages=code + [f"driftguard.{folder}" for folder in policies],
    package_dir={"driftguard.policies": "policies"},
    package_data={"": ["*"]},
    exclude_package_data={"": ["*.pyc"]},
    zip_safe=False,  # policies_folder() gives a real folder
)
