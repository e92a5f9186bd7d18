# The index of verbs. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Debian's is compiled by profiles, pyenv's is not, and takes a fifth more: where both are there, Debian's is taken.
ifndef PYTHON
PYTHON := $(shell for python in /usr/bin/python3.11 python3; do \
	$$python -c 'import ensurepip' 2>/dev/null && echo $$python && break; done)
endif
BIN := .venv/bin
DEVCLUSTER := PYTHONPATH=dev $(PYTHON) -m devcluster
PYTEST := $(BIN)/pytest
# In CI what failed runs once more by itself: tests that kill processes share two cores with all that they started.
# A test that needs it is named in the log and is a bug to mend.
again = $(if $(CI),|| { echo "FAILED ONCE: what failed runs again by itself"; $(PYTEST) $(1) --lf --lfnf none; })
# Each process begins with a part of its own, since files share what is slow to make; who has done takes from others.
PARALLEL := -n 3 --dist worksteal
# Those that wait more than they work; what is slow to make is made once for each file.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder
PODS := tests/e2e $(addprefix --ignore=tests/e2e/,release torch ray)
# The tests start hundreds of interpreters: what these import is to be compiled once.
unexport PYTHONDONTWRITEBYTECODE
# Somebody else's cluster needs both; otherwise the dev cluster is ours.
ifndef KUBECONFIG
export KUBECONFIG := $(shell $(DEVCLUSTER) kubeconfig)
endif

.PHONY: help
help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- For people -------------------------------------------------------------------------------------------------

.PHONY: demo test
demo: up ## Bring up Kubernetes, install the chart, tune, learn, serve, roll over; tell what happens
	$(BIN)/python dev/demo.py

# What is installed and uninstalled is waited for half of the time: the unit tests take it.
test: up lint ## Run every test, bringing the cluster up when it is not
	$(MAKE) -j2 NAMED=1 unit e2e-release
	$(MAKE) integration e2e-pods

# --- Cluster ----------------------------------------------------------------------------------------------------

.PHONY: up down status kubeconfig images
up: .venv/stamp ## Start the dev cluster and load the images (again: repair what died)
	$(DEVCLUSTER) up

down: ## Stop the dev cluster and leave nothing behind
	$(DEVCLUSTER) down

status: ## Show what of the dev cluster is alive
	$(DEVCLUSTER) status

kubeconfig: ## Print the path of the kubeconfig
	@echo $(KUBECONFIG)

images: ## Build and push the images
	$(DEVCLUSTER) images

# --- Code -------------------------------------------------------------------------------------------------------

# Several processes side by side: the threads of each one's BLAS would wait for those of the others.
unit integration: export OPENBLAS_NUM_THREADS := 1
MEMORY := $(firstword $(shell awk '$$2 == "/dev/shm" && $$4 !~ /noexec/ {print $$2}' /proc/mounts 2>/dev/null))
# On a disk databases would wait at each of thousands of commits. (Docker's own /dev/shm is too small, and noexec.)
# What is killed leaves its files behind: the folder goes with the tests. PostgreSQL, another user, must get into it.
IN_MEMORY = export TMPDIR=$$(mktemp -d -p $(or $(MEMORY),/tmp) afina.XXXX); \
	trap 'rm -rf "$$TMPDIR" || true' EXIT; chmod 755 "$$TMPDIR";

# Of two that run at once: whose line it is.
OF = $(if $(NAMED),2>&1 | sed -u 's/^/$@: /')

.PHONY: venv lock crds docs lint lint-chart format unit integration e2e e2e-release e2e-pods e2e-torch e2e-ray
venv: .venv/stamp ## Make the virtual environment (6 GB, most of it torch)

.venv/stamp: requirements/dev.txt requirements/uv.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	touch $@

lock: .venv/stamp ## Resolve the dependencies anew and write the hash locks
	PATH=$(CURDIR)/$(BIN):$$PATH requirements/lock.sh

crds: .venv/stamp ## Write the CRDs and admission policies into the chart
	$(BIN)/python -m afina_api.crd charts/afina/files

docs: .venv/stamp ## Write the reference of every kind into docs/reference
	$(BIN)/python -m afina_api.reference docs/reference

format: .venv/stamp ## Format the code
	$(BIN)/ruff format -q
	$(BIN)/ruff check -q --fix

lint: .venv/stamp ## Check style, types and imports
	$(BIN)/ruff format --check -q
	$(BIN)/ruff check -q
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

lint-chart: ## Check the chart
	$$($(DEVCLUSTER) tools helm) lint charts/afina --strict --set image.registry=registry.example.com

unit: .venv/stamp ## Tests without a cluster
	{ $(IN_MEMORY) $(PYTEST) tests/unit $(PARALLEL) $(call again,tests/unit) ; } $(OF)

integration: .venv/stamp ## Tests against a real kube-apiserver, PostgreSQL and MLflow
	$(DEVCLUSTER) tools kube-apiserver versitygw >/dev/null
	$(IN_MEMORY) $(PYTEST) tests/integration -n 4 $(SIDE_BY_SIDE) $(call again,tests/integration)

e2e: e2e-release e2e-pods ## Tests on the whole cluster

e2e-release: up ## Of them, those that install and uninstall, and the demo
	$(DEVCLUSTER) tools versitygw >/dev/null
	{ $(PYTEST) tests/e2e/release --maxfail=5 $(call again,tests/e2e/release) ; } $(OF)

e2e-pods: up ## Of them, all others
	$(DEVCLUSTER) tools versitygw >/dev/null
	$(PYTEST) $(PODS) --maxfail=10 -n 6 $(SIDE_BY_SIDE) $(call again,$(PODS))

e2e-torch: up ## Tests of what needs torch, on the whole cluster (an image of 5 GB)
	$(DEVCLUSTER) images --torch
	$(DEVCLUSTER) tools versitygw >/dev/null
	$(PYTEST) tests/e2e/torch

e2e-ray: up ## Tests of workers, on the whole cluster with KubeRay in it (4 minutes to build the first time)
	$(DEVCLUSTER) up --kuberay --no-images
	$(DEVCLUSTER) tools versitygw >/dev/null
	$(PYTEST) tests/e2e/ray

# --- Benchmarks, by hand ----------------------------------------------------------------------------------------

.PHONY: bench-start bench-memory bench-automl bench-judge bench-search bench-search-hebo bench-serving bench-int8 bench-trials bench-many-trials bench-trial-pod soak-rollouts
# The peers' packages conflict with ours.
PEERS := $(or $(AFINA_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/afina)/venvs
bench-start: ## From apply to the first trial's start, next to a plain Job
	$(BIN)/python tests/bench/start_latency.py

bench-memory: ## Memory of the operator at 0 and 500 TuningJobs, next to bare kopf
	$(BIN)/python tests/bench/operator_memory.py

bench-automl: .venv/stamp $(PEERS)/automl-peers/stamp ## AutoML next to FLAML, AutoGluon and LightGBM: 8 tables, 3 folds, 60 s each
	$(BIN)/python tests/bench/automl.py $(PEERS)/automl-peers $(ARGS)

bench-judge: .venv/stamp ## The canary judge next to fixed thresholds and counted checks, on simulated requests
	$(BIN)/python tests/bench/judge.py

bench-serving: .venv/stamp $(PEERS)/serving-peers/stamp ## The model server next to bare uvicorn, Ray Serve and MLServer
	PYTHONPATH=tests $(BIN)/python tests/bench/serving.py $(PEERS)/serving-peers $$($(DEVCLUSTER) tools traefik) $(ARGS)

bench-search: .venv/stamp $(PEERS)/search-tables/stamp ## Hybrid next to TPE and GPSampler: regret by trials, time of a proposal
	PYTHONPATH=tests $(BIN)/python tests/bench/search.py $(PEERS)/search-tables/lib/python3.11/site-packages $(ARGS)

bench-search-hebo: .venv/stamp $(PEERS)/search-tables/stamp $(PEERS)/search-hebo/stamp ## The same with HEBO, on the tables and 3 seeds (half an hour)
	PYTHONPATH=tests $(BIN)/python tests/bench/search.py $(PEERS)/search-tables/lib/python3.11/site-packages \
		--seeds 3 --hebo $(PEERS)/search-hebo/bin/python $(ARGS)

bench-int8: .venv/stamp ## A wide perceptron in floats and in 8 bits, next to ONNX Runtime's and torch's
	$(BIN)/python tests/bench/int8.py

bench-trials: .venv/stamp ## What a trial costs beside its own work, next to plain Ray Tune
	PYTHONPATH=tests $(BIN)/python tests/bench/trial_overhead.py $(ARGS)

bench-many-trials: .venv/stamp ## What a trial costs after 100, 1,000 and 10,000 others, next to plain Optuna
	PYTHONPATH=tests $(BIN)/python tests/bench/many_trials.py $(ARGS)

bench-trial-pod: ## A trial as a pod of its own next to one of ours, on the cluster at hand
	PYTHONPATH=tests $(BIN)/python tests/bench/trial_pod.py $(ARGS)

soak-rollouts: .venv/stamp ## Rollouts of good and bad models at 200 requests a second, on the cluster at hand
	PYTHONPATH=dev:tests $(BIN)/python tests/bench/rollouts.py $(ARGS)

$(PEERS)/%/stamp: tests/bench/%.txt
	$(BIN)/uv venv -q --clear --python $(BIN)/python $(@D)
	$(BIN)/uv pip install -q --python $(@D)/bin/python --no-deps --require-hashes -r $<
	touch $@
