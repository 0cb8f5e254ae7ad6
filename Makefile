# Everything here works on a machine that has nothing of ours: each target sets up what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup up down status demo test lint types format bench clean purge

# Containers often forbid Python its compiled files: every process would compile all of its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
STACK := $(PYTHON) deploy/local/stack.py

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: ## install what is missing (uv, Python, environments, PostgreSQL, the page)
	@deploy/local/setup.sh

up: setup ## start the embedded stack in the background
	@$(STACK) up

down: ## stop the embedded stack; data are kept
	@if [ -x $(PYTHON) ]; then $(STACK) down; else echo "Nothing is running."; fi

status: ## say what of the embedded stack runs, and what does not; ARGS=--json
	@if [ -x $(PYTHON) ]; then $(STACK) status $(ARGS); else echo "Nothing is set up: try make up."; exit 1; fi

demo: up ## make a sample archive, have Airflow ingest it, show what comes out
	@$(PYTHON) deploy/local/demo.py

test: ## run all tests
	@deploy/local/setup.sh --test
	@deploy/local/test.sh $(ARGS)

lint: ## ruff, mypy, import contracts, and the page's own
	@deploy/local/setup.sh --test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@if [ -f tiler/web/package.json ]; then PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix tiler/web run lint; fi

bench: ## measure us beside our peers; BENCH=name runs one case (tests/bench/cases)
	@deploy/local/setup.sh --test
	$(PYTHON) tests/bench/run.py $(BENCH)

types: ## write the page's types anew, from both services' OpenAPI documents
	@deploy/local/setup.sh --test
	$(PYTHON) tests/tools/page_types.py

format: ## let ruff format and fix
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean: down ## stop the stack; remove environments, builds and caches; data are kept
	rm -rf .venv .venv-airflow tiler/static tiler/web/node_modules tests/tools/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache build dist

purge: ## stop the embedded stack and remove its data: database, bucket, logs and inbox
	@if [ -x $(PYTHON) ]; then $(STACK) purge; else echo "Nothing to do it with: make setup first."; exit 1; fi
