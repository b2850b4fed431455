# Each target makes .venv and installs what it needs, once. Nothing outside this folder is touched.

PYTHON ?= python3
BIN := .venv/bin
# Processes: one of them mostly waits for Ray. tests/conftest.py says which tests stay together.
SIDE_BY_SIDE := --numprocesses 3 --dist loadscope --no-loadscope-reorder
export PIP_NO_CACHE_DIR = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export XDG_CACHE_HOME = $(CURDIR)/.cache
# Else every process that a job or a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo demo-weights test-house test test-slow test-lowest check docs format bench bench-gpu clean

help:
	@echo "make demo       render a small archive, recognise it, show where the table is"
	@echo "make test-house  those of structure, names and documents alone, half a minute"
	@echo "make test       the tests, at most 10 minutes on two cores; installs libraries of catalogs for them"
	@echo "make test-slow  the tests that take longer, at most 35 minutes; installs further engines for them"
	@echo "make test-lowest  some of the tests with the oldest versions that pyproject.toml allows, some minutes"
	@echo "make check      ruff and mypy"
	@echo "make docs       the documentation as a site, in site/"
	@echo "make bench      the benchmarks; each replaces its section of benchmarks/RESULTS.md"
	@echo "make bench-gpu  the benchmark of the network on a GPU, on a machine that has one"
	@echo "make demo-weights  render another street, train the weights that ship on it, and score them"
	@echo "make clean      remove .venv and everything that was made here"

setup: .venv/installed

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev,track,bench]'
	@touch $@

demo: setup
	$(BIN)/parjob demo --output parjob-demo

# Structure, names and documents, before a commit. Every command of README and the guides runs in tests/guides.
test-house: setup
	$(BIN)/pytest -q tests/house tests/test_api.py

test: setup .venv/catalogs-installed
	$(BIN)/pytest -m "not slow" $(SIDE_BY_SIDE)

test-slow: .venv/engines-installed .venv/catalogs-installed .venv-daft/installed
	$(BIN)/pytest -m slow $(SIDE_BY_SIDE)

.venv/engines-installed: .venv/installed
	$(BIN)/pip install --quiet --editable '.[engines]'
	@touch $@

.venv/catalogs-installed: .venv/installed
	$(BIN)/pip install --quiet --editable '.[iceberg,delta,catalogs-test]'
	@touch $@

# daft 0.7 and par-model need different versions of pyarrow.
.venv-daft/installed:
	$(PYTHON) -m venv .venv-daft
	.venv-daft/bin/pip install --quiet 'daft==0.7.26'
	@touch $@

# What touches each library: a wrong bound shows in one of these.
LOWEST := tests/lowest.py tests/cli/test_requirements.py tests/guides/test_queries.py tests/test_storage.py \
	tests/test_s3_requests.py tests/test_progress.py tests/test_documents.py tests/test_options.py tests/model/test_cost.py \
	tests/runs/test_parts.py tests/tracking/test_openvino_detector.py tests/tracking/test_transformers_detector.py \
	tests/attributes tests/cli/test_help.py tests/cli/test_manifest.py tests/cli/test_plan.py tests/evaluation \
	tests/manifest tests/table tests/model/test_backbone.py tests/model/test_recogniser_golden.py \
	tests/model/test_weights.py tests/model/test_zero_shot.py tests/report tests/training/test_job.py \
	tests/training/test_workers.py tests/video/test_reader_exact.py tests/video/containers/test_damage.py \
	tests/video/test_decord_reader.py tests/video/test_images.py \
	tests/cluster/test_inference.py::test_ray_and_one_process_give_the_same_table

# Newer libraries warn of what older ones do with them: no fault of the older ones, nor ours.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/pytest -m "not slow" -W ignore::DeprecationWarning $(SIDE_BY_SIDE) $(LOWEST)

# Without .venv, which whoever is short of disk may remove before: each of them holds some gigabytes.
.venv-lowest/installed: pyproject.toml .ci/lowest
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "The oldest versions go with Python 3.11: make test-lowest PYTHON=/path/to/python3.11"; exit 1; }
	rm -rf .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet uv
	.ci/lowest .venv-lowest/bin > .venv-lowest/requirements.txt
	.venv-lowest/bin/pip install --quiet --requirement .venv-lowest/requirements.txt
	.venv-lowest/bin/pip install --quiet --no-deps --editable .
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Once the extra is installed, the site is built without a network.
docs: .venv/docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site
	@! grep -rlE '(src|<link[^>]* href)="?https?://' site --include='*.html' || { echo "pages ask other servers"; exit 1; }
	@echo "site/index.html, or with search: $(BIN)/mkdocs serve"

.venv/docs-installed: .venv/installed
	$(BIN)/pip install --quiet --editable '.[docs]'
	@touch $@

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/engines-installed
	@for script in benchmarks/[a-z]*.py; do \
		grep -q '__main__' $$script && [ $$script != benchmarks/gpu.py ] || continue; \
		echo "== $$script"; $(BIN)/python $$script || exit 1; \
	done

bench-gpu: setup
	$(BIN)/python -m benchmarks.gpu

demo-weights: setup
	$(BIN)/python -m benchmarks.demo_weights --train

clean:
	rm -rf .venv .venv-lowest .venv-daft .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist site parjob-demo
	find par_model tests benchmarks jobs examples -name __pycache__ -prune -exec rm -rf {} +
