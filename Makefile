# One virtual environment, pinned by constraints.txt. Python 3.11 is preferred because the pinned torch has a CPU build for it.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Processes of the tests, each with one thread, since threads of several would wait for each other. A browser and a Ray
# cluster bring processes of their own and go alone.
JOBS ?= 2
READY := $(VENV)/.ready

.PHONY: quickstart install test test-all check fix docs bench clean

quickstart: $(READY)  ## the main job on an embedded corpus: layers x data sizes x seeds
	$(BIN)/textlstm run quickstart

install: $(READY)  ## the virtual environment alone

test: $(READY)  ## the quick tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-all: $(READY)  ## every test that this machine can run, on newly drawn cases
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not (browser or ray)" --hypothesis-profile=wide -n $(JOBS) --dist loadfile
	$(BIN)/python -m pytest -m "browser or ray" --hypothesis-profile=wide

check: $(READY)  ## linters, types and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pydoclint --quiet textlstm

fix: $(READY)  ## what the linters can mend themselves
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## the measured claims; needs TEXTLSTM_DATA_DIR and an idle machine
	$(BIN)/pip install --quiet --constraint constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/interval_coverage.py
	$(BIN)/python benchmarks/sweep_overhead.py
	$(BIN)/python benchmarks/report_speed.py

docs: $(READY)  ## the documentation site, in site/
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:  ## the virtual environment and caches; runs are kept
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "textlstm needs Python 3.11 or newer, and none was found on the PATH; install one, or run make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt -e ".[dev]"
	@touch $(READY)
