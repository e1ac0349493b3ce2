# From a fresh clone: `make run` starts a server, `make test` runs the whole suite. Both build .venv first, once; behind
# them stand `python -m pip install -e '.[dev]'` and `python -m pytest`, which work by hand as well.

PORT ?= 6379
ARGS ?=
PYTEST_ARGS ?=
PYTHON = .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench docs venv oracle clean

help:
	@echo "make run     start kvcore-server (PORT=6379, ARGS='--frontend threaded')"
	@echo "make test    run the whole suite (PYTEST_ARGS='-k strings')"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make format  let ruff reformat the sources"
	@echo "make bench   print kvcore beside its peers (ARGS=--quick)"
	@echo "make docs    build the documentation into site/"
	@echo "make clean   remove .venv, caches and build output"

.venv/.created:
	@found=; \
	for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if command -v $$name >/dev/null 2>&1 && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	        found=$$name; break; \
	    fi; \
	done; \
	if [ -z "$$found" ]; then echo "kvcore needs Python 3.11 or newer, and found none on PATH" >&2; exit 1; fi; \
	echo "creating .venv with $$($$found --version)"; \
	$$found -m venv --clear .venv || { echo "$$found -m venv failed (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@touch $@

.venv/.server: .venv/.created pyproject.toml
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[server]'
	@touch $@

.venv/.dev: .venv/.created pyproject.toml
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@# redis-om brings stubs of an old redis-py, which would hide redis-py's own types from mypy
	$(PYTHON) -m pip uninstall --quiet --disable-pip-version-check --yes types-redis
	@touch $@ .venv/.server

venv: .venv/.dev

oracle: .venv/.dev
	@.ci/oracle

run: .venv/.server
	@mkdir -p .run
	exec .venv/bin/kvcore-server --port $(PORT) --dir .run $(ARGS)

test: oracle
	$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup $(PYTEST_ARGS)

lint: .venv/.dev
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

format: .venv/.dev
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: oracle
	$(PYTHON) -m benchmarks.run $(ARGS)

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

clean:
	rm -rf .venv build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
