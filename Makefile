# One command for each development task. Each builds what it needs, and is quick the second time.

PYTHON ?= python3
CLUSTER ?= embedded
KUBE_CONTEXT ?=
ARGS ?=
# Tests wait more than they work; each worker has a control plane of its own (0.6 GB).
WORKERS ?= 5
REGISTRY ?= registry.keywright.dev
PROJECT_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE ?= $(REGISTRY)/keywright:$(PROJECT_VERSION)
BASE_IMAGE ?=

# uv, pinned with its hash like everything else; the one on the PATH serves as well.
UV := $(or $(shell command -v uv 2>/dev/null),.cache/uv/bin/uv)
DEV := .venv/bin
DEMO := .cache/demo/bin
export PYTHONPATH := operator:.
# A test run starts some hundreds of processes: compiled files are kept, so that each does not compile again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-api test-long test-oldest test-testbed test-kind-here retest test-faults test-kind packages check fix crds reference gitops screens dashboard drawings scale bench fuzz attack soak lock image build-base release archive node-image mutants docs docs-check audit clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

demo: .cache/demo/.made ## run the demo: a key is issued, used and renewed in the terminal (CLUSTER=controlplane or kind, KUBE_CONTEXT=..., ARGS=--once)
	@$(DEMO)/python -m testbed.demo --cluster $(CLUSTER) $(if $(KUBE_CONTEXT),--kube-context $(KUBE_CONTEXT)) $(ARGS)

test: ## run the tests of the product except test-long and test-faults, on a real API server and, if available, on kind (ARGS for pytest, without kind; CLUSTER=kind for kind alone)
ifeq ($(CLUSTER),kind)
	@$(MAKE) --no-print-directory test-kind
else
	@$(MAKE) --no-print-directory test-api || failed=1; \
	$(if $(ARGS)$(KUBE_CONTEXT),,$(MAKE) --no-print-directory test-kind-here || failed=1;) exit $${failed:-0}
endif

# The two halves of it.
test-api: .venv/.made .cache/archive/.made .cache/schemas/.made
	@$(if $(KUBE_CONTEXT),,$(DEV)/python -m testbed.clusters.controlplane)
	@$(DEV)/python -m testbed.go_tools
	@$(DEV)/python -m pytest $(PARALLEL) $(MARKS) $(if $(findstring tests/testbed,$(ARGS)),,--ignore=tests/testbed) $(if $(KUBE_CONTEXT),--kube-context $(KUBE_CONTEXT)) $(ARGS)

PARALLEL := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# The long ones are left out, unless ARGS name what to run.
test-api: MARKS := -m "not faults and not kind$(if $(ARGS),, and not long)"
test-long: MARKS := -m "long and not faults and not kind"
test-testbed: MARKS := -m "not faults and not kind"

test-long: .venv/.made .cache/archive/.made ## run the longest tests: twenty renewals, crashes at every write, restores, floods, the soak (ARGS for pytest)
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m testbed.go_tools
	@$(DEV)/python -m pytest $(PARALLEL) $(MARKS) --ignore=tests/testbed $(if $(KUBE_CONTEXT),--kube-context $(KUBE_CONTEXT)) $(ARGS)

test-oldest: ## run the tests with a cluster on Kubernetes 1.32 (its API server is built once; ARGS for pytest)
	@KUBERNETES=oldest $(MAKE) --no-print-directory test-api ARGS="$(or $(ARGS),tests/cluster)"

test-testbed: .venv/.made ## run the tests of the testbed: emulated clouds, clients, faults, the demo
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m testbed.go_tools
	@$(DEV)/python -m pytest $(PARALLEL) $(MARKS) tests/testbed $(ARGS)

test-kind-here: .venv/.made
	@$(DEV)/python -m tests.kind

retest: .venv/.made ## rerun the failed tests of the last run alone; one that now passes depends on timing and must be fixed
	@$(DEV)/python -m pytest --last-failed --last-failed-no-failures none $(if $(KUBE_CONTEXT),--kube-context $(KUBE_CONTEXT)) $(ARGS)

test-faults: .venv/.made ## run the tests of faults and failovers in real time, on a quiet machine
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m pytest -m faults $(ARGS)

test-kind: .venv/.made ## test the shipped Deployment and pods on a kind cluster (needs docker, or root on Debian)
	@$(DEV)/python -m tests.kind --insist $(ARGS)

check: .venv/.made .cache/schemas/.made ## check lint, format, types, import layers, links, words, Dockerfiles, manifests, workflows, and that generated parts and pages are current
	$(DEV)/ruff check
	$(DEV)/ruff format --check
	$(DEV)/mypy
	$(DEV)/lint-imports
	$(DEV)/python tests/links.py
	$(DEV)/python tests/words.py
	$(DEV)/hadolint Dockerfile examples/llm-app/Dockerfile
	$(DEV)/python -m tools.lint_manifests
	$(DEV)/python -m tools.lint_workflows
	$(DEV)/python -m tools.crds --check
	$(DEV)/python -m tools.reference --check
	$(DEV)/python -m tools.dashboard --check
	$(DEV)/python -m tools.drawings --check
	$(DEV)/python -m tools.scale --check

fix: .venv/.made ## format the code, and apply the fixes of the linter
	$(DEV)/ruff check --fix
	$(DEV)/ruff format

crds: .venv/.made ## write the generated lists and rules of the CRDs
	$(DEV)/python -m tools.crds

reference: .venv/.made ## write docs/reference/ from the CRDs and the code
	$(DEV)/python -m tools.reference

gitops: .venv/.made ## write the patch of Argo CD's ConfigMap from the Lua scripts
	$(DEV)/python -m tools.gitops

screens: .venv/.made ## draw the screens of docs/cli.md from a real run
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m tools.screens

dashboard: .venv/.made ## write the Grafana dashboard from its panels, and draw docs/dashboard.svg from a real run (three minutes)
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m tools.dashboard

drawings: .venv/.made ## draw the pictures of docs/architecture.md from the imports and a trace of a renewal
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m tools.drawings

scale: .venv/.made ## simulate the cost of up to a million grants, for docs/scale.md
	@$(DEV)/python -m tools.scale

bench: .venv/.made ## measure speed, API calls and memory, next to a bare client loop
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m benchmarks $(ARGS)

attack: .venv/.made ## run a hostile tenant next to ten others for two minutes: no other tenant may be affected (four minutes)
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m tests.attack $(ARGS)

fuzz: .venv/.made ## fuzz for an hour with objects that no schema refuses (ARGS="--minutes 5"); findings are written to tests/fuzz/seeds
	@$(DEV)/python -m tests.fuzz $(ARGS)

soak: .venv/.made ## renew 2,000 keys that are valid for 30 s, with two replicas, for 20 minutes (ARGS="--minutes 2 --kills 3")
	@$(DEV)/python -m testbed.clusters.controlplane
	@$(DEV)/python -m benchmarks.soak $(ARGS)

mutants: .cache/mutants/.made ## check that the unit tests notice 400 small changes of planning/ and secrets/ (half an hour; ARGS="--sample 40 --seed 2")
	@.cache/mutants/bin/python -m tools.mutants .cache/mutants/copy $(ARGS)

docs: .cache/docs/.made ## build the documentation site in dist/site (VERSION=0.2.0: as a version of several, in dist/versions)
	@.cache/docs/bin/python -m tools.site .cache/site
ifdef VERSION
	@.cache/docs/bin/python -m tools.site_versions $(VERSION)
	@.cache/docs/bin/zensical build --strict --config-file .mkdocs-version.yml
	@.cache/docs/bin/python -m tools.site_versions $(VERSION) --publish
	@echo "dist/versions/$(VERSION)/index.html"
else
	@rm -rf dist/site && mkdir -p dist
	@.cache/docs/bin/zensical build --strict
	@echo "dist/site/index.html"
endif

docs-check: .venv/.made docs ## check accessibility and layout of the site in Chromium (needs chromium and npm)
	@$(DEV)/python -m tools.docs_check $(ARGS)

audit: .cache/audit/.made ## look up known vulnerabilities of the locked dependencies of the image and the command line
	.cache/audit/bin/pip-audit --disable-pip --require-hashes --progress-spinner off --requirement locks/runtime.txt --requirement locks/cli.txt --requirement locks/build.txt

lock: $(UV) ## resolve the dependencies again, with hashes
	for extra in demo dev; do $(UV) pip compile pyproject.toml --extra $$extra $(LOCK_OPTIONS) --output-file locks/$$extra.txt; done
	$(UV) pip compile pyproject.toml --extra cli --extra traces $(LOCK_OPTIONS) --output-file locks/runtime.txt
	$(UV) pip compile pyproject.toml --extra cli $(LOCK_OPTIONS) --output-file locks/cli.txt
	echo 'setuptools' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/build.txt
	echo 'kubernetes-validate>=1.37' | $(UV) pip compile - --no-deps $(LOCK_OPTIONS) --output-file locks/schemas.txt
	echo 'hatchling>=1.27' | $(UV) pip compile - $(LOCK_OPTIONS) --constraint locks/dev.txt --output-file locks/release.txt
	echo 'zensical>=0.0.73' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/docs.txt
	echo 'mutmut>=3.8' | $(UV) pip compile - $(LOCK_OPTIONS) --constraint locks/dev.txt --output-file locks/mutants.txt
	printf '%s\n' 'anthropic>=2.14' boto3 'langchain-openai>=1.7' 'strands-agents[openai]>=1.62' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/recipes.txt
	echo 'litellm[proxy]>=1.108.7,<1.108.8' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/litellm.txt
	echo 'pip-audit>=2.10' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/audit.txt
	echo 'shiv>=1.0.8' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/archive.txt
	echo 'uv>=0.9' | $(UV) pip compile - $(LOCK_OPTIONS) --output-file locks/uv.txt

LOCK_OPTIONS := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

image: .venv/.made ## build the container image, with its bill of materials in dist/ (IMAGE=..., BASE_IMAGE=...)
	@$(DEV)/python -m image --name $(IMAGE) $(if $(BASE_IMAGE),--base $(BASE_IMAGE))

build-base: .venv/.made ## print the base image for `docker build`, made from Debian packages if none can be pulled (root)
	@$(DEV)/python -m image --build-base

release: .venv/.made ## check the checkout and build the files of a release in dist/release, as a dry run (VERSION=0.2.0, REGISTRY=..., ARGS=--tag creates the tag)
	@$(DEV)/python -m tools.release $(or $(VERSION),$(error VERSION is missing: make release VERSION=0.2.0)) --registry $(REGISTRY) $(if $(BASE_IMAGE),--base $(BASE_IMAGE)) $(ARGS)

archive: .venv/.made .cache/archive/.made ## build the program as one file, dist/keywright.pyz, and its krew manifest (ARGS="--platform linux/arm64")
	@$(DEV)/python -m tools.archive $(ARGS)

node-image: .cache/demo/.made ## build a node image for kind from Debian packages and Go modules, if no image can be pulled (root)
	@$(DEMO)/python -m testbed.clusters.kind --node-image

packages: ## install the Debian packages for a docker engine and a node image (root; does nothing if none is missing)
	@$(PYTHON) testbed/clusters/kind/packages.py

clean: ## remove the environments and caches of this checkout
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache dist

.cache/uv/bin/uv: locks/uv.txt
	@$(PYTHON) -m venv .cache/uv || { echo "make: $(PYTHON) has no venv: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@.cache/uv/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes --requirement locks/uv.txt
	@touch $@

# Compiled to bytecode at once: the operator is started many times.
.venv/.made: locks/dev.txt $(UV)
	@echo "make: installing the tools of development (once)"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --python .venv --require-hashes --compile-bytecode locks/dev.txt
	@touch $@

.cache/docs/.made: locks/docs.txt $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .cache/docs
	@$(UV) pip sync --quiet --python .cache/docs --require-hashes locks/docs.txt
	@touch $@

.cache/mutants/.made: locks/dev.txt locks/mutants.txt $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .cache/mutants
	@$(UV) pip sync --quiet --python .cache/mutants --require-hashes locks/dev.txt locks/mutants.txt
	@touch $@

.cache/audit/.made: locks/audit.txt $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .cache/audit
	@$(UV) pip sync --quiet --python .cache/audit --require-hashes locks/audit.txt
	@touch $@

.cache/archive/.made: locks/archive.txt $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .cache/archive
	@$(UV) pip sync --quiet --python .cache/archive --require-hashes locks/archive.txt
	@touch $@

# Only its files are read: where it can be imported, the Kubernetes client does so at each start.
.cache/schemas/.made: locks/schemas.txt $(UV)
	@$(UV) pip install --quiet --no-deps --target .cache/schemas --require-hashes --requirement locks/schemas.txt
	@touch $@

# Not compiled: that takes longer than all the rest, and gains two seconds once.
.cache/demo/.made: locks/demo.txt $(UV)
	@echo "make: installing what the demo needs (once)"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .cache/demo
	@$(UV) pip sync --python .cache/demo --require-hashes locks/demo.txt
	@touch $@
