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

.PHONY: demo test tests tests-ray gpu up down logs token compose audit lint types venv clean

comma := ,
DEMO_EXTRA := $(if $(filter tiny local:%,$(MODEL)),$(comma)local,$(if $(filter-out rules,$(MODEL)),$(comma)openai))

demo: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[flows$(DEMO_EXTRA)]'
	@$(BIN)/memory-r1 demo $(if $(MODEL),--model '$(MODEL)')

test: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(TEST_EXTRAS)]'
	@$(MAKE) --no-print-directory --jobs 2 lint types audit
	@$(MAKE) --no-print-directory --jobs 2 tests tests-ray

# Two halves that run beside each other. The second, shown when it has ended, is what starts Ray: its tests count processes
# and shared memory, so they run one after another.
RAY_LOG := .pytest_cache/ray.log

tests:
	$(BIN)/python -m pytest -m 'not ray' $(ARGS)

tests-ray:
	@mkdir -p $(dir $(RAY_LOG))
	@$(BIN)/python -m pytest -m ray -o cache_dir=.pytest_cache/ray $(ARGS) >$(RAY_LOG) 2>&1; \
		status=$$?; cat $(RAY_LOG); exit $$status

# On a machine with a GPU: a model from scratch through SFT and GRPO, and where the GPU's time goes (rl/TRAINING.md).
gpu: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[flows,train]' 'verl[vllm]==0.9.1'
	$(BIN)/python -m memory_r1.rl.bench.gpu --out gpu-run $(ARGS)

# All services on this machine, in containers: `make up PROFILE=gpu` where there are NVIDIA GPUs. Passwords and keys are made
# at the first start, in infra/secrets. `make down` keeps all data; `make token` shows the first token of the agent server.
PROFILE ?= cpu
COMPOSE := docker compose -f infra/compose.yaml
PROFILES := $(foreach name,$(PROFILE),--profile $(name))

up: compose
	@infra/secrets.sh
	$(COMPOSE) $(PROFILES) up --build --detach
	@$(COMPOSE) $(PROFILES) ps
	@echo 'agent server: http://127.0.0.1:2024 (make token)   Prefect: http://127.0.0.1:4200 (login: infra/secrets/operator.env)'

down: compose
	$(COMPOSE) --profile '*' down

logs: compose
	$(COMPOSE) --profile '*' logs --follow --tail 100 $(SERVICE)

token: compose
	@$(COMPOSE) exec agent cat /var/lib/memory-r1/tokens/first_token

compose:
	@docker compose version >/dev/null 2>&1 || { \
		echo 'make up, down and logs need Docker with its compose plugin, 2.24 or newer (docs.docker.com says how to get' \
			'both); infra/local starts the same services without Docker' >&2; exit 1; }

# Known vulnerabilities in what is installed; without a network it says so and passes. infra/audit.toml accepts some.
audit:
	$(BIN)/python infra/audit.py

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
