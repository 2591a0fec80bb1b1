# `make demo` and `make test` need git, make, Python 3.11+ with venv, and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: help demo test check lint types layers unit integration acceptance fuzz chaos bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# Told, since it takes a minute or two in which pip says nothing.
define install
	@echo "Making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing pgwatch with $(1) into it: one or two minutes, and $(2) of disk …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(3)]'
	@touch $@
endef

$(VENV)/demo.stamp: pyproject.toml
	$(call install,a PostgreSQL of its own,250 MB,demo)

$(VENV)/test.stamp: pyproject.toml
	$(call install,what its tests need,500 MB,test)

demo: $(VENV)/demo.stamp  ## the whole story on an embedded PostgreSQL: gate, daemon, alerts, inbox
	$(BIN)/pgwatch demo $(DEMO)

test: check pytest  ## everything: lint, types, layering, unit, integration, acceptance

check: lint types layers  ## lint, types and layering only

lint: $(VENV)/test.stamp
	$(BIN)/ruff check pgwatch tests bench
	$(BIN)/ruff format --check pgwatch tests bench

types: $(VENV)/test.stamp
	$(BIN)/mypy

layers: $(VENV)/test.stamp
	$(BIN)/lint-imports

test-servers: $(VENV)/test.stamp
	$(BIN)/python tests/fetch_postgres_16.py

.PHONY: pytest test-servers
# In the order of the folders: acceptance tests are few and long, unit tests many and short and fill the gaps
# at the end. Reordered, the modules with the fewest tests would come last, which are the longest.
pytest: test-servers
	$(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder tests

unit: $(VENV)/test.stamp  ## tests that need no server
	$(BIN)/pytest -n $(WORKERS) tests/unit

integration: test-servers  ## tests on real servers
	$(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder tests/integration

acceptance: test-servers  ## the real commands, end to end
	$(BIN)/pytest tests/acceptance

fuzz: $(VENV)/test.stamp  ## 100,000 PromQL expressions that must not surprise the engine
	PROMQL_FUZZ_EXPRESSIONS=100000 $(BIN)/pytest --timeout 3600 -s tests/unit/test_promql_fuzz.py

CHAOS ?= 500

chaos: test-servers  ## kill -9 the daemon CHAOS times in a storm of alerts (CHAOS_SEED repeats a run)
	CHAOS=$(CHAOS) $(BIN)/pytest -s tests/acceptance/test_chaos.py

bench: $(VENV)/test.stamp  ## the figures of the README, each a ratio in one run
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .test-servers dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
