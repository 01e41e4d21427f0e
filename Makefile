# Each target sets up what it needs in .venv; nothing but Python 3.11+ and make has to be there.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test lint fix types imports check slow bench clean screenshots debian

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/run: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'guardproxy needs Python 3.11 or newer: make PYTHON=python3.12 demo'; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/dev: .venv/run pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: .venv/run  ## everything on this machine: a phone in the browser, no key, no network
	$(BIN)/guardproxy demo

# the encoder that every installation has; tests of the second one name it themselves
test slow: export GUARDPROXY_SCOPE_ENCODERS = use
test: .venv/dev  ## the test suite, without the slow parts
	$(BIN)/python -m pytest -m 'not slow and not faults and not browser and not clients'

slow: .venv/dev debian  ## the parts of the suite that start, kill and starve real processes
	$(BIN)/python -m pytest -m 'slow or faults or browser or clients' --timeout 300

lint: .venv/dev  ## style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

fix: .venv/dev  ## style, mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/dev  ## types
	$(BIN)/mypy

screenshots: export GUARDPROXY_SCOPE_ENCODERS = use
screenshots: .venv/dev debian  ## pictures of every page of the console, into docs/images
	$(BIN)/python -m tools.screenshots

# the browser, and Prometheus with its promtool: Debian's, fetched where they are missing and we may;
# RUNLEVEL=1: installed, but not started as a service
debian:
	@{ command -v chromium || command -v google-chrome; } >/dev/null && command -v promtool >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	  && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium prometheus >/dev/null; } \
	|| { echo 'the browser and Prometheus tests need Debian packages: apt-get install chromium prometheus'; exit 1; }

check: lint types test slow  ## all that CI runs

clean:  ## remove what the other targets made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache guardproxy-data
