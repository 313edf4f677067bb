# Each target is one line over the command that CI runs. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test lint fix bench engine clean
PYTHON ?= python3
BIN := .venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(BIN)/.ready engine ## build the newest locked image and launch it: `pinnace run -- --version`
	$(BIN)/pinnace run -- --version

test: $(BIN)/.ready engine ## run all tests, on the real engine
	$(BIN)/pytest

lint: $(BIN)/.ready ## check style, types, imports and scripts
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/shellcheck scripts/engine scripts/venv .ci/run

fix: $(BIN)/.ready ## mend what ruff can mend
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(BIN)/.ready engine ## time the launcher against the bare engine
	$(BIN)/python scripts/bench.py

engine: ## start an engine if none answers (scripts/engine status | down)
	scripts/engine up

clean: ## remove what was made here; engines, images and caches stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/.ready: pyproject.toml
	scripts/venv $(PYTHON) .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
