# Everything runs in .venv, which the first target that needs it makes.  Nothing else has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

# One BLAS thread per process: the tests run in $(JOBS) processes, the library in its own threads.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: help install install-dev demo test test-slow lint format docs bench clean

help:
	@echo "make demo        install, run the example on bcc iron, write a result and a plot"
	@echo "make test        install, run all tests that are not slow, docstring and README examples"
	@echo "make install     create .venv and install Blochflow into it"
	@echo "make test-slow   the remaining tests"
	@echo "make lint        ruff, mypy, import order"
	@echo "make docs        execute every tutorial and build the documentation in docs/_build/html"
	@echo "make bench       run the benchmarks, write benchmarks/RESULTS.md (SECTIONS=\"iron scan\" for some)"

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Blochflow needs Python >= 3.11: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@ $(VENV)/.installed

# Exit code 1 of `blochflow run` means "results written, tolerance not reached": expected here, see README.md.
demo: $(VENV)/.installed
	@$(BIN)/blochflow run examples/fe_bcc/job.toml -o examples/fe_bcc/out; code=$$?; \
	if [ $$code -eq 1 ]; then echo "Exit code 1: the conductivity is NOT converged on this grid, as the result says."; \
	elif [ $$code -ne 0 ]; then exit $$code; fi
	$(BIN)/blochflow plot examples/fe_bcc/out/ahc.nc -o examples/fe_bcc/out/ahc.png
	$(BIN)/blochflow plot examples/fe_bcc/out/bands.nc --mu 17.6376 --energy-range 8 24 -o examples/fe_bcc/out/bands.png

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow and not gpu"

test-slow: $(VENV)/.installed-dev
	XLA_FLAGS= JAX_ENABLE_COMPILATION_CACHE=false $(BIN)/python -m pytest -n $(JOBS) -m "slow and not gpu"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -E -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py $(SECTIONS)

clean:
	rm -rf docs/_build docs/jupyter_execute examples/*/out .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
