# One word for each chore; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
KILLS ?= 200
ROWS ?= 20000
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test lint bench crash clean requirements

help: ## list the chores
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## build the environment (.venv) from the hashed requirements

$(STAMP): requirements/hub.txt requirements/uv.txt pyproject.toml
	@bash requirements/setup.sh $(VENV)
	@touch $@
