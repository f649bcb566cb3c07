# lookalive: `make demo` shows it, `make test` checks it. Both set everything up first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
STAMP := $(VENV)/.installed-$(GPU)
PYTEST := $(BIN)/python -m pytest
UNIT := $(PYTEST) tests/unit -n auto --maxprocesses 4
# Tests with processes of their own mostly wait for them, so that three at once do not need three cores; tests/conftest.py
# says which stay together and which come first.
TOGETHER := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help setup lock demo check test unit process broker kafka browser screenshots soak bench clean

help:           ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP)   ## create .venv with everything lookalive needs

$(STAMP): pyproject.toml requirements/$(GPU).txt requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "lookalive needs $(PYTHON); set PYTHON=/path/to/python3.11 or newer"; exit 1; }
	@echo "setup: $(VENV) with the $(GPU) requirements (about 6 GB with torch; a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$(GPU).txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "setup: done; the command is $(BIN)/lookalive"

lock:           ## resolve the requirements again (names, versions and hashes only)
	$(BIN)/uv pip compile pyproject.toml --extra cpu --extra dev --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -q --upgrade -o requirements/cpu.txt
	$(BIN)/uv pip compile pyproject.toml --extra gpu --extra dev --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -q --upgrade -o requirements/gpu.txt
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")' | \
	  $(BIN)/uv pip compile - -c requirements/cpu.txt --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements/bench.txt

demo: setup     ## the page, on a whole system with a sample catalogue that keeps changing (IMAGES=folder for your own; PORT, DATA_DIR)
	@$(BIN)/lookalive demo $(if $(IMAGES),--images "$(IMAGES)") $(if $(PORT),--port $(PORT)) $(if $(DATA_DIR),--data-dir "$(DATA_DIR)")

check: setup    ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check     ## check, then every test
	@tests/browser/setup.sh $(VENV)/browser-tests
	@tests/broker/setup.sh $(BIN)/python
	$(UNIT)
	$(PYTEST) tests --ignore tests/unit $(TOGETHER)

unit: setup     ## the pure, fast tests alone
	$(UNIT)

process: setup  ## the tests with real processes alone
	$(PYTEST) tests/process $(TOGETHER)

broker: setup   ## the tests on a real Apache Kafka alone (Java 17 and Maven: installed where that is possible)
	@tests/broker/setup.sh $(BIN)/python
	$(PYTEST) tests/broker $(TOGETHER)

kafka: setup    ## one durable Apache Kafka alone, under .lookalive/kafka; it prints where it listens
	@tests/broker/setup.sh $(BIN)/python
	$(BIN)/python -m ops.local_kafka --folder .lookalive/kafka

browser: setup  ## the tests of the page alone, in Debian's Chromium (installed where that is possible)
	@tests/browser/setup.sh $(VENV)/browser-tests
	$(PYTEST) tests/browser $(TOGETHER)

screenshots: setup  ## take the README's pictures of the page from a demo that runs
	$(BIN)/python tests/browser/screenshots.py ops/docs/screenshots

soak: setup     ## what takes longer than continuous integration may: many rounds of kills, each with a seed of its own
	SOAK_ROUNDS=10 $(PYTEST) tests/process/test_killed_roles.py tests/process/test_node_sigkill.py tests/process/test_shards_moved.py -rP
	@tests/broker/setup.sh $(BIN)/python
	CRASH_S=300 CRASH_SEEDS=3 CRASH_BROKER_KILLS=3 $(PYTEST) tests/broker/test_killed_on_kafka.py -rP

bench: setup    ## a shard beside raw FAISS and other libraries (ITEMS=200000, ONLY=group)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench.txt || { \
	  echo "bench: hnswlib could not be built (it needs a C++ compiler): going on without it"; \
	  awk '/^[a-z]/ { skip = /^hnswlib==/ } !skip' requirements/bench.txt | \
	    $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r - || \
	    echo "bench: usearch could not be installed: going on without it"; }
	$(BIN)/lookalive bench shard $(if $(ITEMS),--items $(ITEMS)) $(if $(ONLY),--only $(ONLY))

clean:          ## remove the environment and the data folder
	rm -rf $(VENV) .lookalive
