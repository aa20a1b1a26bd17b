# Needs Python 3.11 or later, make, and the package registry. `make` alone says what there is.

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Passed on as they are: SECONDS=30 ends the demo by itself, ARGS="-k laws" narrows a test run.
SECONDS ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP) ## The whole product on this machine; SECONDS=30 ends it by itself
	@$(BIN)/roistream demo $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

test: $(STAMP) ## All tests; ARGS="-k words" narrows them
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP) ## Format, lint, types, import contracts, and all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

bench: $(STAMP) ## Every measurement of tests/bench, one after the other
	@set -e; for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done
	@echo "== throughput"; $(BIN)/python -m tests.bench.throughput $(ARGS)

lock: $(STAMP) ## Writes the installed versions to requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable --disable-pip-version-check > requirements.lock

clean: ## Removes everything that was made here
	rm -rf .venv .kafka .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist roistream.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew only when the dependencies change; the package itself is installed editable.
$(STAMP): pyproject.toml requirements.lock
	@python=; for each in python3.11 python3; do \
	  if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "roistream needs Python 3.11 or later as python3.11 or python3 on the PATH; install it and run make again." >&2; \
	  exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$python (once) ..."; \
	$$python -m venv $(VENV) || { echo "Making $(VENV) failed; on Debian and Ubuntu install python3-venv." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[embedded,dev]'
	@touch $@
