# Everything a newcomer needs: `make demo` shows the tool, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
# The tested version. Pinned here, not in the package: a user's own torch build must stay theirs.
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# What is installed, as far as make is concerned: enough to run the tool, or also to test it.
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready

# One more than there are cores, 4 at most: some tests wait for processes of their own. Neighbours stay in one process,
# where they share what they export; one that is done takes half of another's rest.
CORES := $(shell nproc 2>/dev/null || echo 2)
SIDE_BY_SIDE := --numprocesses $(shell n=$$(($(CORES) + 1)); echo $$((n > 4 ? 4 : n))) --dist worksteal

# Some machines turn this off, and then each of the many processes that tests start compiles the package again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo install check test docs lint format ptx wheel clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(RUN_READY) ## flow video of a synthetic clip with the built-in model (needs no torch)
	$(BIN)/python -m dinoflow_deploy.demo

install: $(DEV_READY) ## virtual environment with everything the tests need

check: lint ## before each commit: lint, and the tests that are not marked slow
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow"

test: $(DEV_READY) ## the whole test suite, in several processes at once
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# Material for MkDocs advertises its successor unless it is told not to.
docs: $(DEV_READY) ## build the documentation into site/; a dead link or a missing name is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(DEV_READY) ## ruff, formatting, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV_READY) ## let ruff fix and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ptx: $(DEV_READY) ## compile the plugin's PTX again, after a change of its kernel
	$(BIN)/python -m dinoflow_deploy.export.plugin.ptx

# Without build/, from which setuptools would pack what an earlier build left behind.
wheel: $(DEV_READY) ## build dist/*.whl
	rm -rf build
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## remove the virtual environment and everything built
	rm -rf $(VENV) build dist demo site *.egg-info

# A virtual environment without pip, as Debian's Python leaves it, must not pass for a good one.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dinoflow-deploy needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN_READY): $(BIN)/python pyproject.toml
	@echo 'installing what the tool needs into $(VENV): once, about a minute'
	$(PIP) install --quiet --editable '.[cpu]'
	@touch $@

$(DEV_READY): $(BIN)/python pyproject.toml
	@echo 'installing what the tests need into $(VENV): once, a few minutes'
	$(PIP) install --quiet '$(TORCH)'
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@ $(RUN_READY)
