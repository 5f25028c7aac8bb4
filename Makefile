# What can be run from a checkout. Needs Python 3.11+ with its venv module; everything else goes into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test lint docs image wheels lock clean

PYTHON ?= python3
ARGS ?=
BASE ?=
# PyTorch's own index has builds for the CPU; on Linux PyPI has those with gigabytes of CUDA packages alone.
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
LOCKED ?= cpu.txt
LOCKED_PYTHON ?= 3.11
PIP = .venv/bin/python -m pip -qq --disable-pip-version-check
DOWNLOAD = $(PIP) download --dest wheels --require-hashes --no-deps --only-binary :all: --python-version "$(LOCKED_PYTHON)"
LOCK = .venv/bin/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-header \
	pyproject.toml .venv/build.in --extra report

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

install: .venv/.installed ## make .venv with codebudget in it

demo: .venv/.installed-demo ## run the main job: draw from the nano models, grade, compare
	@examples/demo/run.sh

test: .venv/.installed-dev ## run the tests (ARGS="tests/budgets -k flops" runs some of them)
	@.venv/bin/pytest $(ARGS)

# A clone may have any name, but the package has one: mypy sees it through a link.
lint: .venv/.installed-dev ## ruff and mypy --strict
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@mkdir -p .venv/link && ln -sfn ../.. .venv/link/codebudget
	cd .venv/link && MYPYPATH="$$PWD" ../bin/mypy --strict --config-file ../../pyproject.toml -p codebudget

docs: .venv/.installed-docs ## make the documentation's site in site/
	@mkdir -p .venv/link && ln -sfn ../.. .venv/link/codebudget
	CODEBUDGET_SOURCE="$$PWD/.venv/link" .venv/bin/mkdocs build --strict --quiet

image: .venv/.installed ## build the sandbox image (BASE=IMAGE: on that image)
	.venv/bin/codebudget sandbox build $(if $(BASE),--base "$(BASE)")

# What Dockerfile installs, for a build without an index; LOCKED=cuda.txt LOCKED_PYTHON=3.12 for that base.
wheels: .venv/bin/python ## fetch the image's locked packages into wheels/
	@awk '/^[^ ]/ {torch = /^torch==/} torch' "requirements/$(LOCKED)" > .venv/torch.txt
	@awk '/^[^ ]/ {torch = /^torch==/} !torch' "requirements/$(LOCKED)" > .venv/others.txt
	@$(DOWNLOAD) --extra-index-url "$(TORCH_INDEX)" --requirement .venv/torch.txt
	@$(DOWNLOAD) --requirement .venv/others.txt

# setuptools beside the extras, because the image builds codebudget without an index.
lock: .venv/bin/python ## renew requirements/, the image's locked packages
	@$(PIP) install uv
	@echo 'setuptools>=77' > .venv/build.in && echo "$(TORCH)+cpu" > .venv/torch.in
	$(LOCK) --extra transformers --constraint .venv/torch.in --find-links "$(TORCH_INDEX)/torch/" \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file requirements/cpu.txt
	$(LOCK) --extra vllm \
		--python-version 3.12 --python-platform x86_64-manylinux_2_35 --output-file requirements/cuda.txt

clean: ## remove .venv, caches and build folders; a store of samples stays
	rm -rf .venv build dist site wheels *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '$(PYTHON) is missing or older than 3.11: name a newer one, make PYTHON=python3.12' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) has no venv module: apt-get install python3-venv, or make PYTHON=/another/python3' >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }

.venv/.installed: pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget into .venv (only the first time)' >&2
	@$(PIP) install --editable .
	@touch $@

.venv/.installed-demo: pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget, PyTorch for the CPU and transformers into .venv (only the first time; 1.5 GB)' >&2
	@$(PIP) install --no-deps --retries 1 --extra-index-url "$(TORCH_INDEX)" "$(TORCH)"
	@$(PIP) install --editable '.[transformers]'
	@touch .venv/.installed $@

.venv/.installed-docs: pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget and mkdocs into .venv (only the first time)' >&2
	@$(PIP) install --editable '.[docs]'
	@touch .venv/.installed $@

.venv/.installed-dev: pyproject.toml setup.py | .venv/bin/python
	@echo 'installing codebudget and its test tools into .venv (only the first time)' >&2
	@$(PIP) install --editable '.[dev]'
	@touch .venv/.installed $@
