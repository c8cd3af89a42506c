# What one types most. `make` alone lists it. Everything is installed into .venv, nothing outside of it.

SCENARIO ?= quickstart
BACKEND  ?= auto
SEEDS    ?= 1
PYTEST   ?=
REASON   ?=
REAL     ?= auto
NIGHT    ?=
EXACT    ?=
export REASON # as it is, quotes and all

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
BIN := .venv/bin
CODE := harness systems scripts tests traces benchmarks
QUIET_PIP := -m pip install -qq --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help bench figures claims nightly reference reproduce test lint list clean compile benchmark

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'make bench SCENARIO=quickstart BACKEND=docker|process|simulated|auto SEEDS=1'
	@echo 'make test PYTEST="-k engine"'

bench: .venv/installed ## replay a scenario against its systems, print and store the results
	@$(BIN)/sponge-bench run $(SCENARIO) --backend $(BACKEND) --seeds $(SEEDS)

figures: .venv/installed ## draw the paper's figures from stored runs, as PDF and PNG with captions
	@$(BIN)/sponge-bench figures

claims: .venv/installed ## the paper's claims beside what stored runs say, with verdicts
	@$(BIN)/sponge-bench claims

nightly: .venv/installed ## run the matrix, compare it with results/reference, fail when something got worse
	@$(BIN)/sponge-bench nightly --real $(REAL) $(if $(NIGHT),--out $(NIGHT)) $(if $(filter 1 yes true,$(EXACT)),--exact)

reference: .venv/installed ## take the numbers of now as the reference: make reference REASON='why'
	@$(BIN)/sponge-bench reference --reason "$$REASON"

reproduce: .venv/installed ## everything from traces to claims and figures; goes on where it was stopped
	@$(BIN)/sponge-bench reproduce

list: .venv/installed ## scenarios and systems, one line each
	@$(BIN)/sponge-bench list

clean: .venv/installed ## remove containers, networks and processes of runs that were killed
	@$(BIN)/sponge-bench clean

compile: .venv/installed-benchmark ## compile the twin's hot modules (needs a C compiler; everything works without)
	@$(BIN)/python scripts/compile_kernel.py

benchmark: .venv/installed-benchmark ## speed of the twin, beside the same model in SimPy
	@$(BIN)/python benchmarks/twin_speed.py

lint: .venv/installed-test ## style and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

test: lint ## style, types and all tests
	$(BIN)/pytest $(PYTEST)

# Stamps: a second `make bench` finds them newer than pyproject.toml and installs nothing.
.venv/installed: pyproject.toml | .venv/bin/python
	@echo 'installing sponge-bench into .venv (a minute or two, once)'
	@$(BIN)/python $(QUIET_PIP) --editable .
	@touch $@

.venv/installed-test: pyproject.toml | .venv/bin/python
	@echo 'installing sponge-bench and its test tools into .venv (a minute or two, once)'
	@$(BIN)/python $(QUIET_PIP) --editable '.[test]'
	@touch $@ .venv/installed

.venv/installed-benchmark: pyproject.toml | .venv/bin/python
	@$(BIN)/python $(QUIET_PIP) --editable '.[benchmark]'
	@touch $@

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo 'make: Python 3.11 or newer is needed, and none was found' >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1; then \
		echo 'make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; fi
	@$(PYTHON) -m venv .venv
