# Each target makes .venv and installs what it needs, once. Nothing outside this folder is touched.

PYTHON ?= python3
BIN := .venv/bin
# Two processes; tests/conftest.py says which tests stay together.
SIDE_BY_SIDE := --numprocesses 2 --dist loadscope --no-loadscope-reorder
export PIP_NO_CACHE_DIR = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export XDG_CACHE_HOME = $(CURDIR)/.cache

.PHONY: help setup demo demo-weights test test-slow check format bench bench-gpu clean

help:
	@echo "make demo       render a small archive, recognise it, show where the table is"
	@echo "make test       the tests, at most 10 minutes on two cores"
	@echo "make test-slow  the tests that take longer, at most 35 minutes"
	@echo "make check      ruff and mypy"
	@echo "make bench      the benchmarks; each replaces its section of benchmarks/RESULTS.md"
	@echo "make bench-gpu  the benchmark of the network on a GPU, on a machine that has one"
	@echo "make demo-weights  render another street, train the weights that ship on it, and score them"
	@echo "make clean      remove .venv and everything that was made here"

setup: .venv/installed

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/parjob demo --output parjob-demo

test: setup
	$(BIN)/pytest -m "not slow" $(SIDE_BY_SIDE)

test-slow: setup
	$(BIN)/pytest -m slow $(SIDE_BY_SIDE)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@for script in benchmarks/[a-z]*.py; do \
		grep -q '__main__' $$script && [ $$script != benchmarks/gpu.py ] || continue; \
		echo "== $$script"; $(BIN)/python $$script || exit 1; \
	done

bench-gpu: setup
	$(BIN)/python -m benchmarks.gpu

demo-weights: setup
	$(BIN)/python -m benchmarks.demo_weights --train

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist parjob-demo
