# Every target is one short command; `make` alone prints them.
.DEFAULT_GOAL := help
PYTHON ?= python3
PY := .venv/bin/python
# A file's tests stay in one process, with what is costly to set up for them: a million rows, a browser, servers.
# (--dist loadgroup scatters its groups under pytest 9.2 and pytest-xdist 3.8.) Tracing takes half as much time again.
PYTEST := $(PY) -m pytest -n 4 --dist loadfile $(if $(COVERAGE),--cov --cov-append --cov-report=)

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

.venv/ready: requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch .venv/ready

setup: .venv/ready ## Create the environment in .venv with the pinned requirements

run: setup ## Start everything with the sandbox; prints the address and a sign-in link (PORT=8000)
	@$(PY) -m sandbox.run

test: setup ## Run the tests, on servers and in a browser of their own, but for the slow ones
	@$(PY) -m tests.browser.chromium
	$(PYTEST) -m "not slow"

test-slow: setup ## Run the slow tests: killed processes, whole programs, a million rows, 2,000 odd requests
	@$(PY) -m tests.browser.chromium
	FUZZ_REQUESTS=2000 $(PYTEST) -m "slow or fuzz"

mutation: setup ## Break one guard at a time, and see that a test fails for each (ARGS="--count 20 --seed 7")
	@$(PY) -m tests.mutation $(ARGS)

coverage: ## Print the branches that the tests have reached, where they were run with COVERAGE=yes
	$(PY) -m coverage report

check: setup ## Formatting, lint, types, migration drift
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest -q --no-cov tests/project/test_migrations.py

audit: setup ## Known vulnerabilities in the requirements, unsafe code, and a bill of materials (sbom.json)
	@$(PY) -m tests.support.audit

bench: setup ## Measure ingest and task throughput; writes benchmarks/results.md
	$(PY) -m benchmarks

bench-list: setup ## Measure the task listing at 10 million tasks; writes benchmarks/results-listing.md
	$(PY) -m benchmarks.listing

screenshots: setup ## Take the pictures of docs/ anew
	$(PY) -m pytest -q --no-cov -o python_files=pictures.py tests/browser/pictures.py

format: setup ## Format the code and apply safe fixes
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: setup ## Pin the requirements anew, with hashes and without download addresses
	$(PY) -m piptools compile $(LOCK) --strip-extras -o requirements.txt requirements.in
	$(PY) -m piptools compile $(LOCK) --no-strip-extras -o requirements-dev.txt requirements-dev.in
# requirements.txt serves as a constraint, which may not name extras; in the other, pip needs them to see
# that what a package asks for with an extra is pinned too.
LOCK := --quiet --upgrade --generate-hashes --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

clean: ## Remove the environment and this checkout's data folder
	@test ! -x $(PY) || $(PY) -m sandbox.dev_servers clean
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

.PHONY: help setup run test test-slow mutation coverage check audit bench bench-list screenshots format lock clean
