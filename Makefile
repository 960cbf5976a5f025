# Two commands: `make up` runs the whole service, `make test` runs every check. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most tests wait for processes of their own; more than two at once make each other late on a small machine.
TEST_PROCESSES ?= 2
PEERS ?= litserve mlserver bentoml ray
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help up test chaos lint types imports bench bench-peers lock clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: $(VENV)/.runtime ## Set up and run the whole service on this machine (Ctrl-C stops it)
	@exec $(BIN)/rhizome up

# tests/conftest.py puts the files that take longest first; xdist by itself would begin with those of the most tests.
test: $(VENV)/.dev lint types imports ## Set up and run every check: lint, types, import rules, all tests
	@exec $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

chaos: $(VENV)/.dev ## Disturb a real service under load in every way, and print what became of each accepted job; ARGS="--short" for the short form
	@exec $(BIN)/python -m tests.chaos $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

imports: $(VENV)/.dev
	@$(BIN)/lint-imports --no-cache

bench: $(VENV)/.bench ## Measure everything, or PART=single alone; ARGS="--quick" and others go along
	@exec $(BIN)/python -m benchmarks $(or $(PART),all) $(ARGS)

bench-peers: $(PEERS:%=.venv-peers/%/.installed) ## Install the servers that `make bench` measures beside, each in an environment of its own

lock: ## Lock requirements/*.in anew (needs uv)
	@requirements/compile

clean: ## Remove the virtual environments, what runs have left in var/ and caches; versions stay
	rm -rf $(VENV) .venv-peers var .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@test -w . || { echo "this folder is not writable; clone Rhizome where it may write" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Rhizome needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# The stamps hold what was installed: unchanged requirements cost nothing at the second start.
$(VENV)/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "installing what the service needs …"
	@$(PIP) install --require-hashes --no-deps -r requirements/build.txt
	@$(PIP) install --require-hashes --no-deps -r requirements/runtime.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing what the checks need …"
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.runtime
	@echo "installing what the benchmarks need …"
	@$(PIP) install --require-hashes --no-deps -r requirements/bench.txt
	@touch $@

.venv-peers/%/.installed: requirements/peers/%.txt
	@echo "installing $* …"
	@$(PYTHON) -m venv .venv-peers/$*
	@.venv-peers/$*/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r $<
	@touch $@
