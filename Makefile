# Two commands: `make demo` shows it work, `make test` proves it. Both install what they need into $(VENV).
PYTHON ?= python3
VENV ?= .venv
# What `make test` installs. Without "embed" and "train" (PyTorch, verl) the tests that need them are skipped.
TEST_EXTRAS ?= dev,embed,train
# Who decides in the demo, if not the built-in rules: `make demo MODEL=tiny` needs PyTorch, which is installed for it.
MODEL ?=
BIN := $(VENV)/bin
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: demo test gpu lint types venv clean

comma := ,
DEMO_EXTRA := $(if $(filter tiny local:%,$(MODEL)),$(comma)local,$(if $(filter-out rules,$(MODEL)),$(comma)openai))

demo: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[flows$(DEMO_EXTRA)]'
	@$(BIN)/memory-r1 demo $(if $(MODEL),--model '$(MODEL)')

test: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(TEST_EXTRAS)]'
	@$(MAKE) --no-print-directory lint types
	$(BIN)/python -m pytest $(ARGS)

# On a machine with a GPU: a model from scratch through SFT and GRPO, and where the GPU's time goes (rl/TRAINING.md).
gpu: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[flows,train]' 'verl[vllm]==0.9.1'
	$(BIN)/python -m memory_r1.rl.bench.gpu --out gpu-run $(ARGS)

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/pyright --pythonpath $(BIN)/python

venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Memory-R1 needs Python 3.11 or newer: make demo PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
