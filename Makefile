# Each target is one line over the command that CI runs. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test test-fresh soak lint fix check update publish bench engine clean
PYTHON ?= python3
REPOSITORY ?= $(PINNACE_REPOSITORY)
BIN := .venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(BIN)/.ready engine ## build the newest locked image and launch it here: `pinnace run --isolation locked -- --version`
	$(BIN)/pinnace run --isolation locked -- --version

test: $(BIN)/.ready engine ## run all tests, on the real engine
	$(BIN)/pytest --numprocesses=auto

soak: $(BIN)/.ready engine ## run the tests that depend on chance, twenty times as often
	SOAK=1 $(BIN)/pytest --numprocesses=auto -m 'soak or hypothesis'

test-fresh: ## run all tests in random order, in a clean Debian with an engine of its own
	scripts/fresh

lint: $(BIN)/.ready check ## check style, types, imports, scripts, workflows, and what `check` checks
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/pyright && $(BIN)/lint-imports && $(BIN)/shellcheck scripts/engine scripts/fresh scripts/venv .ci/run $(addprefix launcher/pinnace/gateway/files/,start connect policy same-name ssh-proxy) && $(BIN)/zizmor --quiet --offline --strict-collection .github/workflows

fix: $(BIN)/.ready ## mend what ruff can mend
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

check: $(BIN)/.ready ## see that lock, images.toml, templates and rendered Dockerfiles agree
	$(BIN)/pinnace-build check

update: $(BIN)/.ready ## lock what is published after the newest locked version, and render anew
	$(BIN)/pinnace-build lock --update && $(BIN)/pinnace-build check --write

publish: $(BIN)/.ready engine ## publish all locked versions: make publish REPOSITORY=registry.example/claude
	$(BIN)/pinnace-build publish --locked --repository '$(REPOSITORY)' $(OPTIONS)

bench: $(BIN)/.ready engine ## time launcher and SDK against the bare engine, the gateway against none, publishing against plain tools, and events
	$(BIN)/python scripts/bench_events.py && $(BIN)/python scripts/bench.py && $(BIN)/python -m scripts.bench_standby && $(BIN)/python -m scripts.bench_sdk && $(BIN)/python -m scripts.bench_gateway && $(BIN)/python -m scripts.bench_publish

engine: ## start an engine if none answers (scripts/engine status | down)
	scripts/engine up

clean: ## remove what was made here; engines, images and caches stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/.ready: pyproject.toml
	scripts/venv $(PYTHON) .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-binary claude-agent-sdk --editable '.[dev]'
	touch $@
