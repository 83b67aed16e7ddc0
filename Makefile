# Set-up is part of every target: each makes its own virtual environment in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: measure publish-rooms pages test check lint types figures bench ground-truth compat fuzz kill \
    clean

# The main job: five joint networks on the embedded scenes, into build/rooms/, with pictures.
measure: $(VENV)/installed
	$(BIN)/influence measure --ckpt experiments/rooms/checkpoints/*.pt2 \
	    --data experiments/rooms/test.h5 --mute panel --by depth=2,4,region --interactions \
	    --out build/rooms
	$(BIN)/influence gallery build/rooms --ckpt experiments/rooms/checkpoints/*.pt2 \
	    --data experiments/rooms/test.h5

# What READMEs and pages show of the rooms, from the measurement into reports/rooms/.
publish-rooms: measure $(VENV)/installed-dev
	$(BIN)/python -m experiments.rooms publish

# One file each to open in a browser: what was measured on the rooms, on NYU-Depth v2, in the sweep;
# the run that was measured here, else the published tables.
pages: $(VENV)/installed
	mkdir -p build
	for study in rooms nyuv2 sweep; do \
	    run=build/$$study; test -f $$run/run.json || run=reports/$$study; \
	    $(BIN)/influence report $$run --out build/$$study.html || exit 1; \
	done

# One thread a process: processes with more threads than cores wait for each other.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

# Hostile files and arguments, made from seeds: none may end in a traceback, run code, or write what
# it was not told to. What is printed says how to make one again.
COUNT ?= 5000
SEED ?= 0

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m tests.hostile --count $(COUNT) --seed $(SEED)

check: lint types test

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

# Figures and tables from the committed CSVs alone: no network, no GPU. Written are those that a README
# shows; `make figures FORMATS=png,pdf,svg,md,tex` writes all of them in these formats.
figures: $(VENV)/installed
	$(BIN)/python -m experiments.figures --formats "$(FORMATS)"

# Times beside those of other ways to the same numbers, into reports/benchmarks/: about half an hour.
bench: $(VENV)/installed-dev
	$(BIN)/python -m experiments.benchmarks

# Networks and data whose influence is known, into reports/ground_truth/: about ten minutes.
ground-truth: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.ground_truth

# Commands killed at random instants and at every rename, and two at once: nothing may be lost or mixed.
kill: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.hostile.kill

# The oldest to the newest torch, each in its own environment: the rooms have to have the same
# influences as with the newest within 1e-6, and the engine's tests have to pass. PyPI's builds for
# Linux bring CUDA along, gigabytes a version; an index with builds for the CPU alone can be named
# by PIP_INDEX_URL or PIP_EXTRA_INDEX_URL. One version: make compat TORCH=2.6
TORCH ?= 2.4 2.6 2.8 2.11 2.13
COMPAT = build/compat

compat: $(VENV)/installed
	test -f $(COMPAT)/newest/run.json || $(BIN)/influence measure $(COMPAT_RUN) --out $(COMPAT)/newest
	for version in $(TORCH); do \
	    env=$(COMPAT)/torch-$$version; run=$(COMPAT)/rooms-$$version; \
	    test -x $$env/bin/python || $(PYTHON) -m venv $$env || exit 1; \
	    $$env/bin/python -m pip install --quiet "torch==$$version.*" --editable . \
	        pytest hypothesis captum torchmetrics || exit 1; \
	    $$env/bin/influence measure $(COMPAT_RUN) --out $$run || exit 1; \
	    $$env/bin/python -m tests.compat $$run $(COMPAT)/newest || exit 1; \
	    OMP_NUM_THREADS=1 $$env/bin/python -m pytest -W ignore tests/influence/engine \
	        $(COMPAT_LEFT_OUT) || exit 1; \
	done

# Work of modules is shared only where torch says how far a trace holds, as the newest does.
COMPAT_LEFT_OUT = $(addprefix --ignore=tests/influence/engine/,sharing test_trial.py test_forward.py \
    test_edge_influence.py test_evaluation.py)
COMPAT_RUN = --ckpt experiments/rooms/checkpoints/*.pt2 --data experiments/rooms/test.h5 \
    --mute zero,mean,shuffle --draws 50

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and alone, so that its pinned build is the one that everything else finds.
$(VENV)/installed: setup.cfg constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
