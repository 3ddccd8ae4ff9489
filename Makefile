# The commands for development; `make help` lists them. The environment is rebuilt only when pyproject.toml changes.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ARGS ?= dataset=digits
.DEFAULT_GOAL := help

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

.PHONY: help install train test test-slow fuzz torture check-science check-combinations benchmark damage surroundings kernel house check format clean
help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(VENV)/.installed  ## create the environment in .venv

train: install  ## train and score a model on digits, without a download; ARGS="dataset=mnist epochs=10" changes the run
	$(BIN)/vae-lab train $(ARGS)

test: install  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: install  ## run the slow, thorough tests
	$(BIN)/python -m pytest -m slow -s

fuzz: install  ## try random command lines; ARGS="--count 10000 --seed 1", or ARGS="combinations --count 1000"
	$(BIN)/python scripts/fuzz $(if $(filter file,$(origin ARGS)),,$(ARGS))

torture: install  ## kill every command at random moments and check that nothing is lost; ARGS="--minutes 20 --seed 0"
	$(BIN)/python scripts/torture $(if $(filter file,$(origin ARGS)),,$(ARGS))

check-science: install  ## compare losses, densities and scores with independent computations; ARGS="--only iwae fid"
	$(BIN)/python scripts/check_science $(if $(filter file,$(origin ARGS)),,$(ARGS))

check-combinations: install  ## try every combination of options and all a run can do; updates docs/combinations.md; ARGS="--only cnn"
	$(BIN)/python scripts/combinations $(if $(filter file,$(origin ARGS)),,$(ARGS))

benchmark: install  ## measure speed and update docs/performance.md; ARGS="--quick" takes a short measurement only
	$(BIN)/python scripts/benchmark $(if $(filter file,$(origin ARGS)),,$(ARGS))

damage: install  ## damage files of run folders and check what commands say; ARGS="--count 1000 --seed 0"
	$(BIN)/python scripts/damage $(if $(filter file,$(origin ARGS)),,$(ARGS))

surroundings: install  ## run the program with odd streams and encodings and on full disks; ARGS='--only "full disk"'
	$(BIN)/python scripts/try_surroundings.py $(if $(filter file,$(origin ARGS)),,$(ARGS))

kernel: install  ## compile the matrix kernel of the explorer's page from its source, gemm.wat
	$(BIN)/python scripts/compile_kernel.py

house: install  ## count rooms, floors, arrows and sizes from the package's source; ARGS="--rooms" lists them
	$(BIN)/python scripts/house.py $(if $(filter file,$(origin ARGS)),,$(ARGS))

check: install  ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## format the code and fix its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches, but keep the runs in outputs/
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
