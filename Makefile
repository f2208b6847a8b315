# make run: the portal at http://127.0.0.1:8000/ (PORT changes it). make test: every check and test.
# PYTHON=python3.13 does the same with that Python, in an environment of its own: .venv-python3.13.
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8000
N ?= 100000
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
UNIT := tests/batches tests/errors tests/live tests/upgrade tests/chaos/test_every_statement.py
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PORT
export PYTHONUNBUFFERED := 1
# Where bytecode may not be kept, each of the hundreds of processes that the tests start compiles every module again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test full quick lint types changed unit unit-postgresql engine-alone fire browser coverage docs pictures chaos bench clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

run: $(VENV)/.run ## Install, set up and serve the portal with its worker
	@exec python -m batchportal run --sample

test: $(VENV)/.test ## Every check and test, and a tenth of the long ones; PORTAL_SEED draws the same tenth again
	@python -m tests.build.stages test

full: $(VENV)/.test ## As test, with all of the long ones
	@python -m tests.build.stages full

quick: $(VENV)/.test ## Style, contracts, types, and the tests nearest to what changed, on SQLite; under a minute
	@python -m tests.build.stages quick

lint: $(VENV)/.test ## Style, import contracts, migrations
	ruff check .
	ruff format --check .
	lint-imports
	python manage.py makemigrations --check --dry-run
	python manage.py check --deploy --fail-level ERROR

types: $(VENV)/.test ## Static types
	mypy

changed: $(VENV)/.test ## The tests nearest to what changed
	python -m tests.build.changed

unit: $(VENV)/.test ## Tests on SQLite
	pytest -q -n 2 $(UNIT) tests/portal tests/existing_project tests/build

unit-postgresql: $(VENV)/.test ## The tests on PostgreSQL, but for those that any database passes alike
	pytest -q -n 3 --database=postgresql -m "not any_database" $(UNIT)

engine-alone: $(VENV)/.test ## The engine in a project that does not install triage
	pytest -q --ds=tests.settings_without_errors tests/engine_alone tests/batches/test_admin_pages.py tests/batches/test_rest_batch.py tests/live/test_hub.py

fire: $(VENV)/.test ## Workers, servers and connections killed while a batch runs, for two minutes
	pytest -q tests/chaos/test_under_fire.py tests/chaos/test_guards.py

browser: $(VENV)/.test ## The main job in a real browser, which is installed if it must be
	@python -m tests.build.browser
	pytest -q tests/browser

coverage: $(VENV)/.test ## How much of the code the tests on SQLite run
	coverage erase
	coverage run -m pytest -q -n 2 $(UNIT) tests/portal tests/existing_project
	coverage combine -q
	coverage report

docs: $(VENV)/.test ## What is read off the code: docs/settings.md, docs/command-line.md, docs/rest.md
	python -m tests.build.reference

pictures: $(VENV)/.test ## The pictures of the README, taken anew: docs/pictures
	@python -m tests.build.browser
	python -m tests.browser.pictures

chaos: $(VENV)/.test ## A long run under fire, on both databases, and every mutant; N=200000 makes it longer
	python -m tests.chaos.run --items $(N) --ms 1 --kills 500 --freezes 25 --disconnects 25 --crashes 4 --brokers 5 --redeliveries 5 --clocks 10 --pauses 5
	python -m tests.chaos.run --database sqlite --lanes 1 --items $(N) --kills 200 --clocks 10 --pauses 3
	python -m tests.chaos.run --items 20000 --ms 1 --replies 60 --adjustments 10 --schemas 5
	python -m tests.chaos.run --items 40000 --ms 5 --pauses 40 --cancels 20
	python -m tests.chaos.run --items 20000 --ms 1 --lanes 1 --rescues 100
	python -m tests.chaos.run --database sqlite --items 20000 --ms 1 --lanes 1 --rescues 60
	python -m tests.chaos.run --processor call --items 5000 --ms 60 --kills 100 --deploys 5 --thaws 5
	python -m tests.chaos.run --processor ask --items 5000 --ms 60 --kills 50
	python -m tests.chaos.run --processor import_rows --items 20000 --kills 100
	python -m tests.chaos.run --items $(N) --poison 30 --ms 1
	@[ "$$(id -u)" != 0 ] || python -m tests.chaos.run --items $(N) --ms 1 --disks 10 --kills 20
	python -m tests.chaos.mutants
	pytest -q -n 2 tests/chaos/test_every_statement.py
	pytest -q -n 2 --database=postgresql tests/chaos/test_every_statement.py

bench: $(VENV)/.test ## The engine beside hand-written floors; the worker beside other task queues, into docs/benchmarks.md; a thousand sockets; the triage engine; the desk's pages; exports; fairness; calls to the outside; failures at size; memory
	python -m tests.bench.engine
	python -m tests.bench.peers --write
	python -m tests.bench.ingest
	python -m tests.bench.sockets
	python -m tests.bench.triage
	python -m tests.bench.desk
	python -m tests.bench.exports
	python -m tests.bench.fairness
	python -m tests.bench.calls
	python -m tests.bench.failures
	python -m tests.bench.memory

clean: ## Remove what was installed and everything written at run time
	find . -name '.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .venv* var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis .coverage*

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(BIN)/python
	@if command -v uv >/dev/null 2>&1; then VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install -q --require-hashes -r requirements.txt; \
	else python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt; fi
	@touch $@

$(VENV)/.test: requirements-dev.txt | $(BIN)/python
	@if command -v uv >/dev/null 2>&1; then VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install -q --require-hashes -r requirements-dev.txt; \
	else python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt; fi
	@touch $@
