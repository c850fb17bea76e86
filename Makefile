# Two commands on a fresh machine: `make demo` and `make test`. Each needs Python 3.11+, make and a package index.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
UV     := $(VENV)/bin/uv
PIN    := -c constraints.txt
STAMP  := $(VENV)/.installed

.DELETE_ON_ERROR:
.PHONY: help install install-vllm install-bench demo test bench clean

help:
	@echo "make demo           train the tiny policy on phantom images, write runs/demo/report.html"
	@echo "make test           ruff, mypy, import directions, pytest"
	@echo "make install        prepare .venv with the development tools"
	@echo "make install-vllm   add vLLM (the CPU build where there is no NVIDIA GPU)"
	@echo "make install-bench  add TRL, to measure against"

install: $(STAMP)

$(PY):
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check uv

$(STAMP): pyproject.toml constraints.txt | $(PY)
	$(UV) pip install --quiet --python $(PY) $(PIN) -e ".[dev]"
	@touch $@
