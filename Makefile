# What a person types. Each target sets up what it needs in .venv, and no more: `make demo` what the box runs with,
# `make test` the tests' tools besides, `make check` the linters, `make lab` and the benches the lab (lab/).

PYTHON ?= python3
BIN := .venv/bin
# What runs is compiled when it first runs: most of the modules never do.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile
# Compiled modules stay, whatever the caller's environment says: tests start the service often.
export PYTHONDONTWRITEBYTECODE :=
# Two workers more than cores, since tests wait for browsers and services: with one more, two cores were idle for a third
# of the time. Four at most.
WORKERS := $(shell n=$$(nproc); echo $$((n > 2 ? 4 : n + 2)))
# Files begin in the order of tests/conftest.py, not those with many tests first.
# A test that hangs fails, and shows what all its threads do; if it holds Python's lock, its worker is ended a little
# later. The longest test takes a minute on one busy core.
# One thread of numpy a worker, as the server has: several spin for each other while the other workers have the cores.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout 600 --max-worker-restart 2 \
	-o faulthandler_timeout=900 -o faulthandler_exit_on_timeout=true
COMMA := ,
# What is skipped in a proof was not shown, so it fails.
PROOF := $(BIN)/python -m pytest -q -p tests.support.promised
PIP_FAILED := echo "make $(MAKECMDGOALS): pip failed, as it says above (it needs a package registry once)" >&2; exit 1;

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header $(if $(UPGRADE),--upgrade)
# One version of each for all Pythons: the images run what the tests ran with.
WHEELS_LOCK := $(LOCK) --python-version 3.11 --fork-strategy fewest
# Of packages that need another of ours, which no lock names by a registry.
OURS_LOCK := $(WHEELS_LOCK) --no-emit-package regulars-client infra/locks/ours.in

.PHONY: help setup demo serve test rest lab check format client site pictures bench package release clean

help:  ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{ printf "make %-9s%s\n", $$1, $$2 }'
	@echo "The longer proofs, benches and what makes a release: make -C lab"

setup: .venv/box  ## Install what the box runs with into .venv

.venv/python: infra/locks/setup.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 1; }
	@echo "== making .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@echo "== updating its pip"
	@$(BIN)/python -m pip install -q --require-hashes -r infra/locks/setup.txt || { $(PIP_FAILED) }
	@touch $@

.venv/box: .venv/python pyproject.toml infra/locks/regulars.txt infra/locks/regulars-edge.txt client/pyproject.toml edge/pyproject.toml mqtt/pyproject.toml transfer/pyproject.toml dialects/pyproject.toml regulars/libraries.toml
	@echo "== installing what the box runs with, about 70 packages, in about a minute; beside it, fetching the console's libraries"
	@$(BIN)/python -m regulars.libraries & libraries=$$!; \
	$(PIP) -q --require-hashes -r infra/locks/regulars.txt -r infra/locks/regulars-edge.txt && $(PIP) -q --no-deps --no-build-isolation --editable . --editable './client[pictures]' --editable ./edge --editable ./mqtt --editable ./transfer --editable ./dialects || { kill $$libraries; $(PIP_FAILED) }; \
	echo "== waiting for the console's libraries"; wait $$libraries || true
	@echo "== compiling the search kernel"
	@command -v $${CC:-cc} > /dev/null || { echo "   with a compiler from PyPI, since there is none here"; $(PIP) -q --group kernel || true; }
	@$(BIN)/python -m chalicelib.book.search.scan.build_kernel || true
	@command -v $${CC:-cc} > /dev/null || $(BIN)/python -m pip uninstall -qq --yes ziglang || true # it has 300 MB
	@touch $@

.venv/test: .venv/box
	@echo "== installing the tests' tools"
	@$(PIP) --group test || { $(PIP_FAILED) }
	@touch $@

.venv/compiled: .venv/test
	@echo "== compiling the tests, which each worker would do by itself"
	@ls -d tests/*/ */tests | grep -v lab/tests | xargs -n 9 -P 2 $(BIN)/pytest -qq --collect-only > /dev/null || true
	@touch $@

.venv/check: .venv/test
	@echo "== installing the linters"
	@$(PIP) --group lint || { $(PIP_FAILED) }
	@touch $@

.venv/lab: .venv/test lab/pyproject.toml
	@echo "== installing the lab"
	@$(PIP) --editable ./lab || { $(PIP_FAILED) }
	@touch $@

.venv/peers: .venv/lab
	$(BIN)/python -m pip install -qq --group lab/pyproject.toml:peers --group lab/pyproject.toml:packaged
	@# without what they depend on, which is dlib by its other name
	$(BIN)/python -m pip install -qq --no-deps "face_recognition==1.3.0" "face_recognition_models==0.3.0" || echo "face_recognition is not to be had: regulars_lab.bench.vision leaves it out"
	@touch $@

demo: setup  ## Show the main workflow on real pictures; PHOTOS=folder, PORT=8001, ONCE=1 to stop after it
	$(BIN)/regulars demo $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(PORT),--port $(PORT)) $(if $(ONCE),--once)

serve: setup  ## Run the service on this machine
	$(BIN)/regulars serve

test: .venv/compiled  ## Run the main tests (twelve minutes); TESTS=edge/tests for all tests of a folder or file
	$(PYTEST) $(or $(TESTS),-m 'not rest')

rest: .venv/compiled  ## Run the tests that `make test` leaves out: slow ones, and those of the distributions
	$(PYTEST) -m rest
	$(PYTEST) $(filter-out lab/tests,$(wildcard */tests))

lab: .venv/lab  ## Run what needs the pictures next to the checkout (../shared): the lab's tests and the accuracy; ALL=1 for all pictures
	$(PYTEST) $(if $(ALL),--hypothesis-profile long) lab/tests

check: .venv/check  ## Check format, lint, types, layers, the console's JavaScript and the line budget
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.arrows
	$(BIN)/pytest -q tests/console/test_pure.py tests/console/test_types.py tests/console/test_words.py
	$(BIN)/python -m infra.lines

format: .venv/check  ## Format the code and apply ruff's fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

client: .venv/test  ## Regenerate docs/api/v1.yaml and the models, operations and error codes of the client
	$(BIN)/python -m regulars.openapi --write

site: .venv/test  ## Build docs/ as a site in build/site; for its search run: python3 -m http.server --directory build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file infra/mkdocs.yml

pictures: .venv/test  ## Take README's screenshots with drawn people; needs Chromium and a Chinese font such as fonts-wqy-zenhei
	CONSOLE_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/console/test_pictures.py

bench: .venv/peers  ## Measure the time of each stage, as a ratio to a peer in the same run
	$(BIN)/python -W ignore -m regulars_lab.bench.vision $(if $(SHORT),--repeat 2)
	$(BIN)/python -m regulars_lab.bench.detection $(if $(SHORT),--canvas 1920x1080)
	$(BIN)/python -m regulars_lab.bench.request $(if $(SHORT),--repeat 5 --galleries 40)
	$(BIN)/python -m regulars_lab.bench.ingest $(if $(SHORT),--galleries 1000)
	$(BIN)/python -m regulars_lab.bench.new_faces $(if $(SHORT),--workers 1$(COMMA)3 --captures 20)
	$(BIN)/python -m regulars_lab.bench.search $(if $(SHORT),--vectors random --rows 1000 --cold 1000,--rows 1000$(COMMA)30000$(COMMA)300000)
	$(BIN)/python -m regulars_lab.bench.tenants $(if $(SHORT),--tenants 4 --faces 1000 --held 2 --searches 20)
	$(BIN)/python -m regulars_lab.bench.statistics $(if $(SHORT),--days 5 --per-day 100,--days 60 --per-day 2000)
	$(BIN)/python -m regulars_lab.bench.lists $(if $(SHORT),--days 2 --faces 1000,--days 10)

package: setup  ## Build the package for CloudFormation: build/deployment.zip, build/sam.json; needs Python 3.13. ARCHITECTURE=, PACKS=
	$(BIN)/python -m pip install -qq --group kernel
	$(BIN)/python -m infra.package $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE)) $(addprefix --pack ,$(PACKS))

release: kernels  ## Tag VERSION=1.2.3, build it twice, add images and sign the checksums; uploads nothing
	$(BIN)/python -m infra.releases.release $(VERSION)

clean:  ## Delete the output of tests and linters; keep .venv
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

include lab/Makefile
