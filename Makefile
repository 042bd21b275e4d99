# make quickstart   an honest comparison on a fresh machine, without a GPU
# make test         everything CI runs: lint, types, tests
# make gate         results, work, bytes and accuracy against the committed baselines
# make gate AGAINST=main   speed as well, against that revision
# make history      asv over the newest commit, and its pages in results/asv/html
# make history RECORDS="results/runs/a results/runs/b"   the records of these folders in it too
# `make EXTRA=gpu …` installs faiss-gpu (CUDA 12) instead of faiss-cpu.
PYTHON ?= python3
EXTRA  ?= cpu
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.installed-$(EXTRA)

.PHONY: quickstart test check lint types gate history install clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRA),dev]'
	touch $@

install: $(READY)

quickstart: $(READY)
	$(BIN)/matchbench run quickstart
	@echo
	@if $(BIN)/matchbench data add ml-latest-small; then $(BIN)/matchbench run movielens; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

check: lint types

test: check
	$(BIN)/python -m pytest

gate: $(READY)
	$(BIN)/matchbench gate $(if $(AGAINST),--against $(AGAINST))

history: $(READY)
	$(BIN)/asv machine --yes
	$(BIN)/asv run --skip-existing-successful 'HEAD^!'
	for run in $(RECORDS); do $(BIN)/matchbench export $$run --to asv -o results/asv/results || exit; done
	$(BIN)/asv publish

clean:
	rm -rf $(VENV) results/runs
