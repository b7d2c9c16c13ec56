# Every target runs in .venv, which `make .venv` builds from requirements.lock: hashed, no host names.
# Some machines set PYTHONDONTWRITEBYTECODE; then each start recompiles everything and takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=60

.PHONY: help demo lab dashboard test bench notebooks index pictures lock clean
help:           ## this list
	@grep -hE '^[a-z.]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z.]+):.*## /  make \1\t/' | expand -t 18

.venv: .venv/.ready   ## the environment: everything from requirements.lock, byte-compiled
.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "kommo_nb needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Building .venv from requirements.lock: once, about a minute." >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) >&2
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv     ## sandbox, capture, seeded traffic, dashboard and JupyterLab; ARGS="--no-lab --json"
	@exec $(BIN)/kommo-nb demo $(ARGS)

lab: .venv      ## JupyterLab on the lessons
	@exec $(BIN)/kommo-nb lab $(ARGS)

dashboard: .venv  ## the dashboard alone; ARGS="--db FILE"
	@exec $(BIN)/kommo-nb dashboard $(ARGS)

test: .venv     ## ruff, mypy, unit tests, then the notebooks by nbval
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile
	$(BIN)/pytest -n 2 --dist loadfile -p no:cacheprovider $(NBVAL) notebooks

bench: .venv    ## the benchmarks: they print ratios, they do not judge
	$(BIN)/pytest -s -p no:xdist -o python_files='bench_*.py' tests/benchmarks

notebooks: .venv  ## run every lesson again in place and save its outputs
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.record_timing=False --coalesce-streams notebooks/*.ipynb

index: .venv      ## the table of lessons in the README and lesson 00, from the lessons' cards
	$(BIN)/python tests/lesson_index.py

pictures: .venv   ## the README's pictures, taken with Chromium
	$(BIN)/python tests/pictures.py

lock: .venv     ## resolve again and write requirements.lock
	$(BIN)/uv lock --upgrade && $(BIN)/uv export --quiet --frozen --no-emit-project --output-file requirements.lock --no-header

clean:          ## remove the environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
