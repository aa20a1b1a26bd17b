# Needs Python 3.11 or later, make, and the package registry. `make` alone says what there is.

VENV ?= .venv
BIN := $(VENV)/bin
# What runs the product, and what tests and checks need besides.
DEMO_STAMP := $(VENV)/.installed-demo
STAMP := $(VENV)/.installed
# SDKs of ad platforms, which only some tests need.
PLATFORMS := $(VENV)/platforms
LOCK_TOOLS := .lock
UV_VERSION := 0.13.9
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
# uv fetches in parallel, but reads no settings of pip: where it is not to be had or reaches no registry, pip does it.
install = $(BIN)/uv --quiet pip install --python $(BIN)/python --require-hashes -r $(1) || \
  { echo "Installing with pip and its settings ..." >&2; $(PIP) install --require-hashes -r $(1); } || \
  { echo "The packages could not be fetched. Is the package registry reachable from here? Where another one is to be asked, \
set PIP_INDEX_URL; then run make again." >&2; exit 1; }
PYTHON = $(shell for each in python3.11 python3; do \
  $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
NEEDS_PYTHON = test -n "$(PYTHON)" || { echo "roistream needs Python 3.11 or later as python3.11 or python3 \
on the PATH; install it and run make again." >&2; exit 1; }
# Passed on as they are: SECONDS=30 ends the demo by itself, ARGS="-k laws" narrows a test run.
SECONDS ?=
ARGS ?=
# Tests at once; each process has a broker and a cache of its own. Compiled modules are kept whatever the shell says:
# without them each process compiles product and tests anew, which takes as long as a third of `make quick`.
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(if $(filter-out 1,$(JOBS)),--numprocesses $(JOBS) --dist loadgroup)
FULL ?=
AGAINST ?=
MINUTES ?= 20

.DEFAULT_GOAL := help
.PHONY: help demo stack quick test check static rest verify fix schemas pictures bench faults fuzz soak lock lock-kafka clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(DEMO_STAMP) ## The whole product on this machine; SECONDS=30 ends it by itself
	@$(BIN)/roistream demo $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

stack: $(DEMO_STAMP) ## Workers, board, Prometheus, Alertmanager and the demo's traffic, without Docker
	@$(BIN)/python -m streams.stack $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

quick: $(STAMP) ## On each save, under a minute: what is fast and needs no server; ARGS=tests/metrics narrows it
	HYPOTHESIS_PROFILE=quick $(PYTEST) -m "not slow and not server and not verify" $(ARGS)

test: $(STAMP) ## Before a commit: everything but what only verify runs; ARGS="-k words" narrows it, JOBS=1 takes one process
	HYPOTHESIS_PROFILE=test $(PYTEST) -m "not verify" $(ARGS)

static: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: static test ## Before a push: format, lint, types, import contracts, and make test

# What make test leaves out: all examples of the laws, every kill, browsers, Prometheus, TLS, faults, costs on record.
rest: $(STAMP) $(PLATFORMS)/.installed
	HYPOTHESIS_PROFILE=verify $(PYTEST) -m "verify or law" $(ARGS)

verify: check rest ## Everything there is, as .ci/run does

fix: $(STAMP) ## Formats, and mends what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(STAMP) ## Write what is generated: schemas, AsyncAPI, the KPI tables, the dashboards
	$(BIN)/python -m streams.schema_export.json_schemas
	$(BIN)/python -m grafana.generate

pictures: $(STAMP) ## Draw the board's pictures in docs/images anew; needs Chromium
	$(BIN)/python -m tests.system.page.pictures docs/images

bench: $(STAMP) ## Every measurement, in about ten minutes; FULL=1 takes larger sizes, AGAINST=COMMIT compares with that build
	@$(BIN)/python -m $(if $(AGAINST),tests.bench.against $(AGAINST),tests.bench $(if $(FULL),--full)) $(ARGS)

faults: $(STAMP) ## Seeded faults on a real Kafka; ARGS="--seeds 1-180" says which
	@$(BIN)/python -m tests.faults $(ARGS)

fuzz: $(STAMP) ## A real worker under records that are nearly right, on every topic; MINUTES=20 says how long
	@$(BIN)/python -m tests.fuzz.live --minutes $(MINUTES) $(ARGS)

soak: $(STAMP) ## One worker under traffic for an hour, and the slopes of memory, topics, keys and series; MINUTES=60 says how long
	@$(BIN)/python -m tests.bench.soak --minutes $(MINUTES) $(ARGS)

lock: ## Pins what pyproject.toml asks for, with hashes; ARGS=--upgrade takes newer versions
	@$(NEEDS_PYTHON)
	@$(PYTHON) -m venv $(LOCK_TOOLS)
	@$(LOCK_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@# For every platform and Python we run on; setuptools builds the package itself. No index address is written.
	echo 'setuptools>=77' | $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --extra embedded --extra dev --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' $(ARGS) --output-file requirements.lock pyproject.toml -
	echo uv==$(UV_VERSION) | $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file requirements.installer.lock -
	@# SDKs of ad platforms, beside all of that: only what is not pinned above.
	echo 'setuptools>=77' | $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --extra google --extra linkedin --extra meta --extra microsoft --extra tiktok --no-emit-index-url --no-emit-find-links --constraints requirements.lock \
	  $$(sed -n 's/^\([a-zA-Z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock | sort -u) \
	  --custom-compile-command 'make lock' --output-file requirements.platforms.lock pyproject.toml -
	@# What the image of apply holds: the same versions.
	echo 'setuptools>=77' | $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --extra google --extra linkedin --extra meta --extra microsoft --extra tiktok --no-emit-index-url --no-emit-find-links \
	  --constraints requirements.lock --constraints requirements.platforms.lock \
	  --custom-compile-command 'make lock' --output-file requirements.apply.lock pyproject.toml -
	@# What the demo needs: the same versions, without what tests and checks need.
	echo 'setuptools>=77' | $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --extra embedded --no-emit-index-url --no-emit-find-links --constraints requirements.lock \
	  --custom-compile-command 'make lock' --output-file requirements.demo.lock pyproject.toml -
	@# What the image holds: the same versions, without embedded servers too.
	echo 'setuptools>=77' | $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --constraints requirements.lock \
	  --custom-compile-command 'make lock' --output-file requirements.runtime.lock pyproject.toml -

lock-kafka: ## Pins what streams/embedded/kafka.pom.xml asks for, with hashes; needs Maven
	rm -rf $(LOCK_TOOLS)/kafka
	mvn -q -B -f streams/embedded/kafka.pom.xml dependency:copy-dependencies \
	  -Dmdep.useRepositoryLayout=true -DoutputDirectory=$(CURDIR)/$(LOCK_TOOLS)/kafka
	@# Path in a Maven repository, bytes, SHA-256.
	cd $(LOCK_TOOLS)/kafka && find * -name '*.jar' | LC_ALL=C sort | while read -r jar; do \
	  echo "$$jar $$(wc -c <"$$jar" | tr -d ' ') $$(sha256sum "$$jar" | cut -c 1-64)"; done >$(CURDIR)/streams/embedded/kafka.lock

clean: ## Removes everything that was made here
	rm -rf .venv .lock .kafka .bench .faults .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist roistream.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew only when the dependencies change; the package itself is installed editable. Every file that is
# fetched must have a hash of a lock, so a package that was changed on its way or on its index is refused.
$(DEMO_STAMP): pyproject.toml requirements.installer.lock requirements.demo.lock
	@$(NEEDS_PYTHON)
	@echo "Installing into $(VENV) with $(PYTHON) (once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Making $(VENV) failed; on Debian and Ubuntu install python3-venv." >&2; exit 1; }
	@$(PIP) install --require-hashes -r requirements.installer.lock || true
	@$(call install,requirements.demo.lock)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check >/dev/null || { echo "requirements.demo.lock is older than pyproject.toml; run make lock." >&2; exit 1; }
	@# Kernels are compiled on two cores while the embedded broker is fetched; without it there is still the user's own.
	@# The last of the three puts them into the image that every start loads.
	@# Python's modules are compiled too, whatever the shell says: without that each start takes twice the processor time.
	@export PYTHONDONTWRITEBYTECODE=; \
	  $(BIN)/python -m streams.embedded.jars & \
	  ( $(BIN)/python -m streams.runtime.kernel_warmup journeys evidence & $(BIN)/python -m streams.runtime.kernel_warmup partition; wait; \
	    $(BIN)/python -m streams.runtime.kernel_warmup; $(BIN)/python -c 'import streams.worker, streams.demo.run' ); wait
	@touch $@

$(STAMP): $(DEMO_STAMP) requirements.lock
	@echo "Installing what tests and checks need (once) ..."
	@$(call install,requirements.lock)
	@$(BIN)/python -m pip check >/dev/null || { echo "requirements.lock is older than pyproject.toml; run make lock." >&2; exit 1; }
	@touch $@

$(PLATFORMS)/.installed: $(STAMP) requirements.platforms.lock
	@echo "Installing the SDKs of ad platforms into $(PLATFORMS) (once) ..."
	@rm -rf $(PLATFORMS)
	@$(BIN)/uv --quiet pip install --python $(BIN)/python --target $(PLATFORMS) --no-deps --require-hashes -r requirements.platforms.lock || \
	  $(PIP) install --target $(PLATFORMS) --no-deps --require-hashes -r requirements.platforms.lock
	@touch $@
