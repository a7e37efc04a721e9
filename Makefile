# Needs only python3 (3.10 or newer), pip and make. Everything is installed into .venv, once;
# a target that finds it there starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SHELL := /bin/sh

.PHONY: help setup demo test faults soak docs check fix bench bench-profile clean
.DEFAULT_GOAL := help

help: ## show this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name what; \
	do printf '%-10s %s\n' "$$name" "$$what"; done

setup: $(VENV)/.check ## install everything a contributor needs into .venv

demo: $(VENV)/.demo ## watch one tour of it all: jobs, progress, webhook, S3, refresh
	@$(BIN)/python examples/demo/tour.py

test: $(VENV)/.test ## run the tests, but for the faults that need root
	@$(BIN)/pytest -m "not root"

faults: $(VENV)/.test ## run every test that kills, fills or cuts something
	@$(BIN)/pytest tests/faults $(ONLY)

soak: $(VENV)/.test ## run the faults at their larger sizes, for an hour or so
	@$(BIN)/pytest tests/faults --soak

docs: $(VENV)/.docs ## build the documentation into site/; a warning fails it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

check: $(VENV)/.check ## lint, format, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy tests/typing tests/third_party
	$(BIN)/lint-imports

fix: $(VENV)/.check ## let ruff correct what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test ## measure workerkit beside its peers, in turns; with QUICK=1 in ten minutes
	@PYTHONPATH=benchmarks $(BIN)/python -m suite $(if $(QUICK),quick,full --publish) $(ONLY)
ifndef QUICK
	@$(BIN)/python benchmarks/hooks.py
	@$(BIN)/python benchmarks/webhooks.py
	@$(BIN)/python benchmarks/s3.py
	@$(BIN)/python benchmarks/growth.py --publish
endif

bench-profile: $(VENV)/.test ## show what each stage of a job's path costs, in microseconds
	@$(BIN)/python benchmarks/stages.py

clean: ## remove .venv and every cache
	rm -rf $(VENV) .bench dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is written last, so an interrupted installation is done again.
$(VENV)/.demo $(VENV)/.test $(VENV)/.check $(VENV)/.docs: $(VENV)/.made pyproject.toml
	@echo "installing workerkit into $(VENV) …"
	@$(PIP) install --quiet --editable ".[$(EXTRAS)]"
	@touch $@

$(VENV)/.demo: EXTRAS := demo
$(VENV)/.test: EXTRAS := test
$(VENV)/.check: EXTRAS := test,check
$(VENV)/.docs: EXTRAS := docs

# Debian and Ubuntu keep venv's own pip in a package apart; the pip that is there will do.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "workerkit needs Python 3.10 or newer, and '$(PYTHON)' is not; try: make PYTHON=python3.12" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv --clear $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip install --quiet --target \
	    "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" pip; \
	else \
	  echo "'$(PYTHON)' has neither pip nor ensurepip; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi
	@touch $@
