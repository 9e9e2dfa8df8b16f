# One word for each chore; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
JUDGE := .venv-judge
KILLS ?= 2000
BROKERS ?= 1
ROWS ?= 20000
TESTS ?= tests
BENCHMARKS := dag_factory whole_way scale
# A virtual environment that happens to be active must not leak into ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

.PHONY: help setup demo test lint bench crash clean requirements

help: ## list the chores
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## build the environment (.venv) from the hashed requirements

$(STAMP): requirements/hub.txt requirements/uv.txt requirements/setup.sh pyproject.toml
	@bash requirements/setup.sh $(VENV)
	@touch $@

$(JUDGE)/.ready: requirements/judge.txt requirements/judge.sh $(STAMP)
	@bash requirements/judge.sh $(JUDGE)
	@touch $@

demo: $(STAMP) ## the whole way on real parts: feeds -> contracts -> PostgreSQL -> Kafka, run by Airflow (ROWS=n, KEEP=1)
	@ROWS=$(ROWS) $(BIN)/python -m demo.run

test: $(STAMP) $(JUDGE)/.ready lint ## lint, then every test on real parts (TESTS=path for some)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

lint: $(STAMP) ## ruff, mypy --strict, import-linter, contracts and their changes since BASE (default: main)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hub contract lint
	@$(BIN)/hub contract gate $(if $(BASE),--base $(BASE))

bench: $(STAMP) ## the benchmarks, each with its rival in the same run
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

crash: $(STAMP) ## kill the real processes KILLS times, count what was lost, doubled or out of order (BROKERS=3)
	@$(BIN)/python -m tests.crash.harness --kills $(KILLS) --brokers $(BROKERS)

clean: ## remove the environment and ALL data of the run directory, after stopping it (on a terminal it asks; FORCE=1 does not)
	@if [ -t 0 ] && [ "$(FORCE)" != 1 ] && [ -e var ]; then \
	  printf 'This removes all data in var/ (%s: databases, topics, deliveries, passwords), .venv and .venv-judge. Go on? 将删除 var/ 中的全部数据，继续吗？[y/N] ' "$$(du -sh var | cut -f1)"; \
	  read -r answer; case "$$answer" in y|Y|yes) ;; *) echo 'nothing was removed 未删除任何内容'; exit 1;; esac; fi
	@[ ! -x $(BIN)/hub ] || $(BIN)/hub stack down || true
	@case "$$(readlink var/postgres)" in */hub-postgres-*) rm -rf "$$(readlink var/postgres)";; esac
	@rm -rf $(VENV) $(JUDGE) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

requirements: $(STAMP) ## compile the pins anew (hashed, without index addresses)
	@eval "$$($(BIN)/python requirements/index.py)"; for name in hub uv judge; do $(BIN)/uv pip compile -q --upgrade requirements/$$name.in --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -o requirements/$$name.txt; done
