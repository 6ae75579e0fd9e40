# What can be done here. Needs make and Python 3.11 or newer; everything else is set up by the targets.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
VENV ?= .venv
TOX_VENV ?= .venv-tox
BENCH = $(VENV)/bin/bench
TOX = $(TOX_VENV)/bin/tox

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint docs bench setup clean

help: ## Show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.ready ## Set up, then run ABMILX on camelyon16-mini (under 10 minutes on 2 cores)
	$(BENCH) run --method abmilx --dataset camelyon16-mini

test: $(TOX_VENV)/.ready ## Set up, then run all checks and tests through tox
	$(TOX) run

test-all: $(TOX_VENV)/.ready ## All tests, those that take long too (about 20 minutes on 2 cores)
	$(TOX) run -e test-all

lint: $(TOX_VENV)/.ready ## Only the checks: format, lint, types, import arrows
	$(TOX) run -e lint

docs: $(TOX_VENV)/.ready ## The documentation as a site, in build/site
	$(TOX) run -e docs

bench: $(TOX_VENV)/.ready ## Only the benchmark suite: how fast things are on this machine
	$(TOX) run -e benchmarks

setup: $(VENV)/.ready ## Set up only, and look around; the command is then .venv/bin/bench
	$(BENCH) doctor

clean: ## Remove the environments and caches (runs/ stays)
	rm -rf $(VENV) $(TOX_VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

# The stamps make a second call skip the installation until the dependencies change. The installation is
# editable, so a changed source file needs no new one.
$(VENV)/.ready: pyproject.toml
	$(call make-venv,$(VENV))
	$(VENV)/bin/python -m pip install --quiet --no-compile --editable .
	@touch $@

$(TOX_VENV)/.ready: Makefile
	$(call make-venv,$(TOX_VENV))
	$(TOX_VENV)/bin/python -m pip install --quiet 'tox>=4.23'
	@touch $@

define make-venv
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; fix: install one, or make PYTHON=/path/to/python3.11"; exit 2; }
	@"$(PYTHON)" -m venv $(1) || { echo "error: no virtual environment; fix: install Python's venv module (Debian, Ubuntu: apt install python3-venv)"; exit 2; }
endef
