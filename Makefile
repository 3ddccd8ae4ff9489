# Everything a person needs; `make help` lists it. The environment is made once and again only when pyproject.toml changes.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ARGS ?= dataset=digits likelihood=sigma epochs=100
.DEFAULT_GOAL := help

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

.PHONY: help install train test test-slow check-scores benchmark check format clean
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(VENV)/.installed  ## set up .venv

train: install  ## train, score and picture a run on digits, offline; ARGS="dataset=mnist epochs=10" for another
	$(BIN)/vae-lab train $(ARGS)

test: install  ## the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: install  ## the slow, thorough checks
	$(BIN)/python -m pytest -m slow -s

check-scores: install  ## scores against other implementations; seconds and memory (needs MNIST, about ten minutes)
	$(BIN)/python scripts/check_scores.py --time

benchmark: install  ## speed beside a hand loop, Lightning and others, into docs/performance.md; ARGS="--quick" for a look
	$(BIN)/python scripts/benchmark $(if $(filter file,$(origin ARGS)),,$(ARGS))

check: install  ## lint, format check, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches; runs in outputs/ stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
