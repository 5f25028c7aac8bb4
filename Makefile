# What can be run from a checkout. Needs Python 3.11+ with its venv module; everything else goes into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install check fast demo test lint docs image wheels lock clean

PYTHON ?= python3
ARGS ?=
BASE ?=
# PyTorch's own index has its builds for the CPU; those on PyPI are for CUDA, with gigabytes beside them.
TORCH ?= cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
LOCKED ?= torch-$(TORCH).txt cpu.txt
LOCKED_PYTHON ?= 3.11
PIP = .venv/bin/python -m pip -qq --disable-pip-version-check
# An index that cannot be reached is asked no more than twice for each package; hashes keep out what is not locked.
LOCKS = --require-hashes --no-deps --only-binary :all:
# Files are compiled as they are imported, and most never are.
INSTALL = $(PIP) install --no-compile $(LOCKS)
FROM_TORCH = --retries 1 --extra-index-url "$(TORCH_INDEX)"
NO_TORCH = echo 'torch cannot be had as requirements/torch-$(TORCH).txt has it: name another index of its builds, make \
	TORCH_INDEX=URL, or take those for CUDA (3 GB), make TORCH=cuda' >&2; exit 1
OWN = $(PIP) install --no-deps --no-build-isolation --no-index --editable .

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

install: .venv/.installed-dev ## make .venv with codebudget and its test tools in it

demo: .venv/.installed-demo-$(TORCH) ## run the main job: draw from the nano models, grade, compare (TORCH=cuda: on a GPU)
	@examples/demo/run.sh

# A file's tests share what they made, so they run in one process.
test: .venv/.installed-dev ## run the tests (ARGS="tests/budgets -k flops" runs some of them)
	@.venv/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

# Together they take two cores for less than two minutes, which is what `slow` is kept for.
check: .venv/.installed-dev ## before each commit: lint and fast side by side, in under two minutes
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint fast

fast: .venv/.installed-dev ## run the tests that are not slow, import rules included, and show which took longest
	@.venv/bin/pytest -q -m 'not slow' --durations=5 --durations-min=1 $(ARGS)

# A clone may have any name, but the package has one: mypy sees it through a link.
lint: .venv/.installed-dev ## ruff and mypy --strict
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@mkdir -p .venv/link && ln -sfn ../.. .venv/link/codebudget
	cd .venv/link && MYPYPATH="$$PWD" ../bin/mypy --strict --config-file ../../pyproject.toml -p codebudget

docs: .venv/.installed-docs ## make the documentation's site in site/
	@mkdir -p .venv/link && ln -sfn ../.. .venv/link/codebudget
	CODEBUDGET_SOURCE="$$PWD/.venv/link" .venv/bin/mkdocs build --strict --quiet

image: .venv/.installed-dev ## build the sandbox image (BASE=IMAGE: on that image)
	.venv/bin/codebudget sandbox build $(if $(BASE),--base "$(BASE)")

# What Dockerfile installs, for a build without an index; LOCKED=cuda.txt LOCKED_PYTHON=3.12 for that base.
wheels: .venv/bin/python ## fetch the image's locked packages into wheels/
	@for lock in $(LOCKED); do $(PIP) download --dest wheels $(LOCKS) --python-version "$(LOCKED_PYTHON)" \
		$$([[ $$lock != torch-* ]] || echo '$(FROM_TORCH)') --requirement "requirements/$$lock"; done

lock: .venv/bin/python ## renew requirements/: what make and the images install, by version and hash
	@$(PIP) install uv
	@PATH="$$PWD/.venv/bin:$$PATH" .venv/bin/python requirements/lock.py --index "$(TORCH_INDEX)"

clean: ## remove .venv, caches and build folders; a store of samples stays
	rm -rf .venv build dist site wheels *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '$(PYTHON) is missing or older than 3.11: name a newer one, make PYTHON=python3.12' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) has no venv module: apt-get install python3-venv, or make PYTHON=/another/python3' >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.installed-dev: requirements/dev.txt pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget and its test tools into .venv (only the first time)' >&2
	@$(INSTALL) --requirement requirements/dev.txt
	@$(OWN)
	@touch $@

.venv/.installed-docs: requirements/docs.txt pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget and mkdocs into .venv (only the first time)' >&2
	@$(INSTALL) --requirement requirements/docs.txt
	@$(OWN)
	@touch $@

.venv/.installed-demo-%: requirements/torch-%.txt requirements/cpu.txt pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget, PyTorch ($*) and transformers into .venv (only the first time)' >&2
	@$(INSTALL) $(FROM_TORCH) --requirement requirements/torch-$*.txt || { $(NO_TORCH); }
	@$(INSTALL) --requirement requirements/cpu.txt
	@$(OWN)
	@touch $@
