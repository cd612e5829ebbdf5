# `make demo` and `make test` are the whole set-up on a fresh machine.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SHARED := $(wildcard ../shared/data)

ifneq ($(SHARED),)
export INHOUSE_DATA ?= $(abspath $(SHARED))
endif

.PHONY: demo test lm-eval test-slow lint bench docs format clean

demo: $(VENV)/.base  ## from nothing to a cited answer
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev  ## the default suite
	$(BIN)/python -m pytest -n auto -m "not slow"

lm-eval: $(VENV)/.dev  ## lm-evaluation-harness beside us, which one slow test runs; its needs clash with ours
	$(BIN)/python -c "from bench.harness.peer import LM_EVAL; LM_EVAL.ready()"

test-slow: lm-eval  ## what takes minutes: quality on real data
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev  ## style, types, directions
	$(BIN)/ruff check src tests bench docs examples
	$(BIN)/ruff format --check src tests bench docs examples
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.base  ## make bench BENCH=start
	$(BIN)/python -m bench $(BENCH)

docs: $(VENV)/.dev  ## build the site into site/
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

format: $(VENV)/.dev
	$(BIN)/ruff format src tests bench docs examples
	$(BIN)/ruff check --fix src tests bench docs examples

clean:
	rm -rf $(VENV) site dist bench/.peers .demo

$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) 'pip>=25.1'
	$(PIP) -e .
	touch $@

# torch comes first and pinned, so that nothing that follows replaces it. Where the package index
# gives the GPU build for it, name a smaller one: make test TORCH=torch==2.13.0+cpu, or a wheel's URL.
$(VENV)/.dev: $(VENV)/.base
	$(PIP) $(TORCH)
	$(PIP) -e '.[train,data,compress]' --group dev
	touch $@
