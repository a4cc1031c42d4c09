# On a bare machine with Python (3.11 or later), pip and make, every target sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
DOCS := $(VENV)/.ready-docs
# Threads of maths libraries belong to the recipes; the test workers take one each.
export PYTHONHASHSEED = 0

.PHONY: help install demo test test-slow lint format bench docs clean
help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "querist needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing querist into $(VENV) (torch is large: a minute or two) ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEV): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

$(DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	@touch $@

install: $(READY) ## make .venv and install querist into it

demo: $(READY) ## compare strategies on scenes drawn for it, in a few minutes
	$(BIN)/querist demo

test: $(DEV) ## the fast tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(DEV) ## kills, whole runs, real data
	$(BIN)/python -m pytest -m slow --timeout=1800

lint: $(DEV) ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(DEV) ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## how fast, against straightforward references, in one run
	$(BIN)/python benchmarks/speed.py

docs: $(DOCS) ## build the site into site/
	$(BIN)/zensical build --clean --strict

clean: ## remove what was built (not .venv)
	rm -rf site dist .pytest_cache .ruff_cache .import_linter_cache querist-demo
