# Everything a developer types. `make` alone lists the targets.
# Needs: make, and Python 3.11 to 3.14 with its venv module (Debian: apt install make python3-venv).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench bench-compared fuel sim mutants roots storage-faults chaos attack fuzz lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
WORKERS ?= 2
SEEDS ?= 1000
SECONDS ?= 60
SAMPLES ?= 300
MINUTES ?= 2
ROUNDS ?= 3
# The last build of protocol 1.
BASE ?= 0514388
# Override with `make setup PYTHON=/path/to/python3.13`.
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& echo $$candidate && break; done)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the locked, hash-checked dependencies (instant when nothing changed)

# The stamp is written last, so an interrupted set-up is done again. The environment is rebuilt from nothing
# whenever the lock changes: what is no longer locked must not linger.
# The checkout comes onto the path as a folder (compat): a finder would come after the path, where the folder that holds a
# checkout named blockpool already offers a package of that name, without anything in it.
$(STAMP): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "No Python 3.11 to 3.14 with its venv module found. On Debian and Ubuntu: apt install python3 python3-venv." >&2; \
		echo "Or name one: make setup PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat --editable .
	@touch $(STAMP)

demo: setup ## four departments on this machine: share, kill the primary, audit, verify offline
	$(BIN)/blockpool demo

test: setup ## every test, real nodes included
	$(BIN)/python -m pytest -n $(WORKERS)

check: setup ## formatting, lint, strict types, and the one-way import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_import_rule.py

format: setup ## rewrite the sources in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure, print one table and write docs/benchmarks.md
	$(BIN)/python -m bench

bench-compared: setup ## this build against another in turn: make bench-compared BASE=0514388 ROUNDS=3
	$(BIN)/python -m bench.against $(BASE) --rounds $(ROUNDS)

fuel: setup ## how long a unit of contract fuel takes on this machine, for each kind of work
	$(BIN)/python -m bench.contract_fuel

sim: setup ## the seeded cluster simulator: make sim SEEDS=1000
	$(BIN)/python -m tests.sim --seeds $(SEEDS)

roots: setup ## every root of a hostile chain, on every interpreter here, with the oldest and newest libraries
	$(BIN)/python -m tests.roots

storage-faults: setup ## every write step broken, every file of a data folder spoiled: make storage-faults SAMPLES=300
	STORAGE_FAULTS_SAMPLES=$(SAMPLES) $(BIN)/python -m pytest -q -s tests/storage_faults

mutants: setup ## switch every defence off in turn; the tests must notice
	$(BIN)/python -m tests.mutants --jobs $(WORKERS)

chaos: setup ## four real nodes under every kind of fault and load: make chaos MINUTES=20 SEED=1
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

attack: setup ## attacks on four real nodes, beside what a processor burner takes: make attack
	$(BIN)/python -m tests.attacks.live

fuzz: setup ## every reader of outside bytes, for a while: make fuzz SECONDS=60 (guided by coverage where atheris is)
	$(BIN)/python -m tests.edge.fuzz all --seconds $(SECONDS)

LOCK := uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links

lock: ## resolve the lock files anew (needs uv on the PATH)
	$(LOCK) --output-file requirements-client.lock
	$(LOCK) --extra node --output-file requirements.lock
	$(LOCK) --extra dev --output-file requirements-dev.lock

clean: ## remove the environment, caches and build products
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
