# What can be done here? `make` alone says it.
.DEFAULT_GOAL := help
.PHONY: help venv demo test lint bench docs lock clean

help:  ## say what can be done
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv:  ## the command at .venv/bin/netdiag
	@.ci/setup run

demo:  ## a local Slack, a fleet of real hosts with real faults, and the bot: no account needed
	@.ci/setup demo
	@if [ "$$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then exec .venv/bin/netdiag demo $(ARGS); \
	else exec sudo .venv/bin/netdiag demo $(ARGS); fi

lint:  ## style, types, layers
	@.ci/setup test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

test: lint  ## everything: lint, unit, adapters on real parts, kernel lab, browser
	PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder  # more than the cores: many wait for hosts

bench:  ## the figures in docs/benchmarks.md, peers side by side
	@.ci/setup test
	@if [ "$$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then exec .venv/bin/python -m benchmarks $(ARGS); \
	else exec sudo .venv/bin/python -m benchmarks $(ARGS); fi

docs:  ## the pages in docs/findings, made from the playbooks
	@.ci/setup run
	.venv/bin/netdiag playbooks docs docs/findings

lock:  ## make the hashed lock files anew from pyproject.toml (needs uv)
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	    --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	    --python-version 3.11 --extra dev --extra bench -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove what was made here
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
