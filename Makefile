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

.PHONY: help published setup demo week serve test quick book lab check format package dist images release container bench load given-up bench-book bench-jobs bench-erasing bench-fairness bench-cold bench-throughput bench-console bench-edge pictures site kernels lock vulnerabilities client emulated slow acceptance lists growth slopes fuzz fuzz-api soak stale faults proofs nightly flows edge docs functions spreadsheets packaged crash crash-import crash-index crash-scrub crash-edge bench-films memory-edge soak-edge lag-edge count broken-releases systemd back best-shots stop-edge second-days clean

help:  ## These lines
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | sort | awk -F '|' '{ printf "make %-18s%s\n", $$1, $$2 }'

setup: .venv/box  ## What the box runs with, in .venv: also for `make demo` and `make serve`

.venv/python: infra/locks/setup.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 1; }
	@echo "== making .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@echo "== updating its pip"
	@$(BIN)/python -m pip install -q --require-hashes -r infra/locks/setup.txt || { $(PIP_FAILED) }
	@touch $@

.venv/box: .venv/python pyproject.toml infra/locks/regulars.txt infra/locks/regulars-edge.txt client/pyproject.toml edge/pyproject.toml regulars/libraries.toml
	@echo "== installing what the box runs with, about 70 packages, in about a minute; beside it, fetching the console's libraries"
	@$(BIN)/python -m regulars.libraries & libraries=$$!; \
	$(PIP) -q --require-hashes -r infra/locks/regulars.txt -r infra/locks/regulars-edge.txt && $(PIP) -q --no-deps --no-build-isolation --editable . --editable './client[pictures]' --editable ./edge || { kill $$libraries; $(PIP_FAILED) }; \
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
	@ls -d tests/*/ edge/tests client/tests | xargs -n 9 -P 2 $(BIN)/pytest -qq --collect-only > /dev/null || true
	@touch $@

.venv/check: .venv/test
	@echo "== installing the linters"
	@$(PIP) --group lint || { $(PIP_FAILED) }
	@touch $@

.venv/lab: .venv/test lab/pyproject.toml
	@echo "== installing the lab"
	@$(PIP) --editable ./lab || { $(PIP_FAILED) }
	@touch $@

demo: setup  ## The main job on real pictures; PHOTOS=folder, PORT=8001, ONCE=1 to stop after it
	$(BIN)/regulars demo $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(PORT),--port $(PORT)) $(if $(ONCE),--once)

week: setup  ## A week of captures, from presigned upload to visitor book, against its timeline; STAY=1 to look at it then
	@$(PIP) -q --editable ./lab || { $(PIP_FAILED) }
	$(BIN)/python -m regulars_lab.week $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(STAY),--stay)

serve: setup  ## The service on this machine
	$(BIN)/regulars serve

test: .venv/compiled  ## All tests of the gate, of what is dear a part that each commit draws; TESTS='tests/domain' for some of them
	$(PYTEST) $(TESTS)

flows: .venv/compiled  ## All flows of the console in a browser, of which `make test` tries a third
	$(PYTEST) --hypothesis-profile long tests/console

edge: .venv/compiled  ## All tests of the uploader, of which `make test` tries a third of those with the service itself
	$(PYTEST) edge/tests

docs: .venv/compiled  ## All tests of the pages, of which `make test` tries a third of those with a service
	$(PYTEST) tests/docs

functions: .venv/compiled  ## All tests of the functions, packages and releases, also of those that did not change lately
	$(PYTEST) --hypothesis-profile long tests/infra tests/releases

# What takes long there: an emulated AWS, programs of others as clients, histories in any order, thousands of faces.
LONG := aws or any_order or javascript or similarity or reembedding or ten_tenants or recount

quick: .venv/test  ## The rules, the use cases and the dialects, in three to four minutes: all but the longest tests; TESTS='tests/domain' for some
	$(PYTEST) $(or $(TESTS),tests/book tests/privacy tests/api tests/whole --ignore=tests/book/search --ignore=tests/storage --ignore=tests/book/vision) -k 'not ($(LONG))'

book: .venv/test  ## The visitor book's own tests, with search and vision, without privacy, auth and api
	$(PYTEST) tests/book -k 'not ($(LONG))'

lab: .venv/lab  ## What needs the pictures beside the checkout (../shared): the lab's tests, how well people are told apart; ALL=1 with all pictures
	$(PYTEST) $(if $(ALL),--hypothesis-profile long) lab/tests

spreadsheets: .venv/lab  ## Workbooks that the console saves, read by openpyxl, pandas and, if it is here, LibreOffice
	$(BIN)/python -m pip install -qq --group lab/pyproject.toml:spreadsheets
	$(PYTEST) lab/tests/test_spreadsheets.py

check: .venv/check  ## Format, lint, types, layers, the console's JavaScript, lines of code; what the docs say is checked by `make test`
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.arrows
	$(BIN)/pytest -q tests/console/test_pure.py tests/console/test_types.py tests/console/test_words.py
	$(BIN)/python -m infra.lines

site: .venv/test  ## docs/ as a site in build/site; its search needs a server: python3 -m http.server --directory build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file infra/mkdocs.yml

format: .venv/check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

package: setup  ## What CloudFormation takes: build/deployment.zip, build/sam.json; needs Python 3.13. ARCHITECTURE=, PYTHON_FOR_LAMBDA=, PACKS=
	$(BIN)/python -m pip install -qq --group kernel
	$(BIN)/python -m infra.package $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE)) $(if $(PYTHON_FOR_LAMBDA),--python $(PYTHON_FOR_LAMBDA)) $(addprefix --pack ,$(PACKS))

published: kernels  ## A release's folder alone, from a web server: install, first face, camera, webhook, upgrade and back, images; BEFORE=tag of the release before
	$(BIN)/python -m tests.infra.published $(BEFORE)

dist: kernels  ## Wheels that work outside of a checkout, with the console, models and kernels; their bill; sums
	$(BIN)/python -m infra.releases.wheels

images: dist  ## The two images in dist/, as OCI archives for this processor and those that it emulates; needs root, buildah and debootstrap
	$(BIN)/python -m infra.releases.images

release: kernels  ## VERSION=1.2.3: tags it, builds it twice, adds images, signs the sums; uploads nothing
	$(BIN)/python -m infra.releases.release $(VERSION)

container: dist  ## The images of infra/box, built, loaded from their archives and run; needs root, buildah and debootstrap
	$(BIN)/python -m tests.infra.container

lock: .venv/test  ## Locks of what goes to Lambda, and of what is installed with the wheels: as few changes as they ask for; UPGRADE=1 for the newest versions
	$(BIN)/python -m pip install -qq --group lock
	$(WHEELS_LOCK) infra/locks/setup.in --output-file infra/locks/setup.txt
	$(LOCK) --python-version 3.12 requirements.txt --output-file infra/locks/functions.txt
	$(LOCK) --python-version 3.12 infra/locks/chalice.in --output-file infra/locks/chalice.txt
	$(WHEELS_LOCK) requirements.txt regulars/requirements.txt client/pyproject.toml --output-file infra/locks/regulars.txt
	$(WHEELS_LOCK) --all-extras edge/pyproject.toml --output-file infra/locks/regulars-edge.txt

vulnerabilities: .venv/test  ## Asks whether what is locked has published vulnerabilities; fails, too, if a package could not be looked up
	$(BIN)/python -m pip install -qq --group audit
	for lock in setup functions chalice regulars regulars-edge; do echo "== $$lock"; \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r infra/locks/$$lock.txt || failed=1; done; exit $${failed:-0}

client: .venv/test  ## docs/api/v1.yaml, and what the client has from it and from domain/errors.py: models, operations and codes
	$(BIN)/python -m regulars.openapi --write

emulated: package  ## The arm64 package under emulation: imports, the kernel's self-check, two faces; needs root and debootstrap
	$(BIN)/python -m tests.infra.emulated

packaged: .venv/lab  ## The package for this processor, called by boto3 through a function URL; needs Python 3.13
	$(BIN)/python -m pip install -qq --group kernel --group lab/pyproject.toml:packaged
	$(BIN)/python -m lab.tests.packaged

.venv/peers: .venv/lab
	$(BIN)/python -m pip install -qq --group lab/pyproject.toml:peers --group lab/pyproject.toml:packaged
	@# without what they depend on, which is dlib by its other name
	$(BIN)/python -m pip install -qq --no-deps "face_recognition==1.3.0" "face_recognition_models==0.3.0" || echo "face_recognition is not to be had: regulars_lab.bench.vision leaves it out"
	@touch $@

kernels: setup  ## The search kernel for this machine and for the functions' arm64; without, searches are slow
	$(BIN)/python -m pip install -qq --group kernel
	$(BIN)/python -m chalicelib.book.search.scan.build_kernel
	$(BIN)/python -m chalicelib.book.search.scan.build_kernel --target aarch64

bench: .venv/peers  ## Time by stage, with ratios to a peer in the same run
	$(BIN)/python -W ignore -m regulars_lab.bench.vision $(if $(SHORT),--repeat 2)
	$(BIN)/python -m regulars_lab.bench.detection $(if $(SHORT),--canvas 1920x1080)
	$(BIN)/python -m regulars_lab.bench.request $(if $(SHORT),--repeat 5 --galleries 40)
	$(BIN)/python -m regulars_lab.bench.ingest $(if $(SHORT),--galleries 1000)
	$(BIN)/python -m regulars_lab.bench.new_faces $(if $(SHORT),--workers 1$(COMMA)3 --captures 20)
	$(BIN)/python -m regulars_lab.bench.search $(if $(SHORT),--vectors random --rows 1000 --cold 1000,--rows 1000$(COMMA)30000$(COMMA)300000)
	$(BIN)/python -m regulars_lab.bench.tenants $(if $(SHORT),--tenants 4 --faces 1000 --held 2 --searches 20)
	$(BIN)/python -m regulars_lab.bench.statistics $(if $(SHORT),--days 5 --per-day 100,--days 60 --per-day 2000)
	$(BIN)/python -m regulars_lab.bench.lists $(if $(SHORT),--days 2 --faces 1000,--days 10)

load: .venv/lab  ## Mixed traffic at rising load until the service refuses, then the first load again; MINUTES=2 for a short run
	$(BIN)/python -m regulars_lab.bench.load $(if $(MINUTES),--minutes $(MINUTES))

given-up: .venv/lab  ## A tenant's calls beside requests that are given up at random moments: none may be lost; SECONDS=10 for a short run
	$(BIN)/python -m regulars_lab.bench.given_up $(if $(SECONDS),--seconds $(SECONDS))

bench-fairness: .venv/lab  ## How long a small shop's capture waits while another tenant has 100,000
	$(BIN)/python -m regulars_lab.bench.fairness $(or $(MORE),$(if $(SHORT),--backlog 1000 --seconds 60))

bench-jobs: .venv/lab  ## What the jobs of an hour and a night take on AWS, and with how many tenants they end no more
	$(BIN)/python -m regulars_lab.bench.jobs $(or $(MORE),$(if $(SHORT),--captures 50 --cameras 2 --days 2 --parts 1))

bench-book: .venv/lab  ## How true the book of strangers is, on labelled faces beside the checkout; MORE="--scene backlog --draw 1 2"
	$(BIN)/python -m regulars_lab.bench.book $(or $(MORE),$(if $(SHORT),--persons 20 --orders 1))

bench-erasing: .venv/lab  ## What erasing one regular costs a box of 101,000 visits: bytes written, and how long the slowest writer waits; MORE="--shops 5"
	$(BIN)/python -m regulars_lab.bench.erasing $(or $(MORE),$(if $(SHORT),--visits 1000 --faces 300 --regular 20))

bench-cold: .venv/peers  ## Cold starts of the packaged functions, split; needs Python 3.13
	$(BIN)/python -m pip install -qq --group kernel
	$(BIN)/python -m regulars_lab.bench.cold_start $(if $(SHORT),--repeat 1 --splits 1 --faces 300)

bench-throughput: .venv/lab  ## Captures a second of a box on two cores, its memory, and PUT to hook; CAPTURES=, CAMERAS=, RATE=
	$(BIN)/python -m regulars_lab.bench.throughput $(if $(CAPTURES),--captures $(CAPTURES)) $(if $(CAMERAS),--cameras $(CAMERAS)) $(if $(RATE),--rate $(RATE))

slow: .venv/test  ## All examples of the properties of which the gate tries a few
	$(BIN)/python -m pytest -q -m slow $(if $(SHORT),,--hypothesis-profile long) tests edge/tests

acceptance: .venv/test  ## A hundred checks of the Rekognition dialect by boto3, on a box of its own; URL= of one that runs, keys in AWS's variables
	$(BIN)/python -m pytest -q tests/acceptance $(if $(URL),--rekognition $(URL))

lists: .venv/test  ## A thousand drawn searches in all dialects: a shorter list begins the longer one, nobody similar enough is left out
	$(PROOF) $(if $(SHORT),,--hypothesis-profile long) tests/api/test_lists.py

slopes: .venv/test  ## What each act costs in a year of a hundred visits a day, and of ten: none may grow without a reason; VISITS=number
	$(PROOF) tests/slopes
	$(BIN)/python -m tests.slopes $(if $(VISITS),--visits $(VISITS))

second-days: .venv/test  ## 10,000 sequences of deployments, failures and ways out of two stages in a model of an AWS account; SEQUENCES=number, SEED= as a run printed it
	$(BIN)/python -m tests.regulars.deploy.second_days --sequences $(or $(SEQUENCES),10000) $(if $(SEED),--seed $(SEED))

fuzz: .venv/test  ## A million hostile inputs to all parsers; INPUTS=number, SEED= as a run printed it, PARSER= for one of them
	$(BIN)/python -m tests.hostile.fuzz $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED)) $(if $(PARSER),--parser "$(PARSER)")

growth: .venv/test  ## Four times the worst input known to each parser takes less than eight times as much of the processor's time
	$(BIN)/python -m tests.hostile.growth

fuzz-api: .venv/test  ## Schemathesis against v1 as one box serves it, 100 examples an operation; EXAMPLES=number, MORE='--include-path /v1/hooks'
	$(BIN)/python -m tests.hostile.fuzz_api --examples $(or $(EXAMPLES),100) $(MORE)

soak: .venv/test  ## 16 threads enrol, delete and search for a minute; SOAK_S=number
	$(PROOF) -s tests/faults/test_soak.py --soak-seconds $(or $(SOAK_S),60)

stale: .venv/test  ## 100,000 writes and searches side by side: no answer is stale; OPERATIONS=number
	$(PROOF) -s tests/faults/test_stale.py --operations $(or $(OPERATIONS),100000)

faults: .venv/test  ## Every use case, command, backup and restore, failed at every call to storage, killed at every write, and with others between any two calls; TENTH=1
	$(PROOF) -n 2 --hypothesis-profile long tests/faults/test_every_call.py tests/faults/test_cut_off.py tests/faults/test_rivals.py tests/faults/test_backup.py tests/faults/test_on_aws.py $(if $(TENTH),,--every-fault)

crash: .venv/test  ## kill -9 during enrolments, 50 times; KILLS=number
	$(PROOF) -s tests/faults/test_kill.py --kills $(or $(KILLS),50)

crash-import: .venv/test  ## kill -9 during an import of 1,000 pictures, 50 times; KILLS=number
	$(PROOF) -s tests/faults/test_import.py --import-kills $(or $(KILLS),50) --import-pictures $(if $(SHORT),60,1000)

crash-scrub: .venv/test  ## Programs that write, scrub, read and are killed, all on one database, for 20 minutes; SCRUB_S=number
	$(BIN)/python -m tests.support.box.racing $(or $(SCRUB_S),1200)

crash-index: .venv/test  ## kill -9 while eight programs index 1,000 pictures by boto3, 10 times; KILLS=number
	$(PROOF) -s tests/faults/test_index_faces_killed.py --index-kills $(or $(KILLS),10) --index-pictures $(if $(SHORT),60,1000)

proofs: .venv/lab  ## The longest proofs one after the other, for a night, then a table of how each ended; PROOFS="soak stale"
	@table=; for one in $(or $(PROOFS),faults growth slopes fuzz fuzz-api crash crash-edge systemd soak stale back published load); do \
		begun=$$(date +%s); said=held; $(MAKE) --no-print-directory $$one || said=FAILED; \
		table="$$table$$(printf '%-18s%-8s%6d s' $$one $$said $$(($$(date +%s) - begun)))\n"; \
	done; printf "\n$$table"; case "$$table" in *FAILED*) exit 1;; esac

# What `make nightly` runs, and how much of each; tests/test_gate.py names the targets that stand in neither it nor the gate.
NIGHTLY := slow flows edge docs functions lab faults growth slopes second-days fuzz fuzz-api lists crash crash-import crash-index crash-scrub crash-edge stop-edge \
	soak stale soak-edge lag-edge memory-edge count best-shots broken-releases systemd back acceptance packaged emulated load given-up \
	week spreadsheets kernels site bench bench-book bench-jobs bench-erasing bench-fairness bench-cold bench-throughput bench-console bench-edge bench-films
AT_NIGHT := SHORT=1 TENTH=1 INPUTS=1000 EXAMPLES=2 KILLS=4 STOPS=24 LOOKS=30 HOURS=1 SCRUB_S=30 SOAK_S=5 OPERATIONS=3000 MINUTES=1 SECONDS=10 \
	CAPTURES=40 VISITS=200 COMMITS=8dc92702 FILM=dark SEQUENCES=300

nightly: .venv/lab  ## Every proof and bench in a short form, one after the other, then the table of how each ended
	@$(MAKE) --no-print-directory proofs PROOFS="$(or $(PROOFS),$(NIGHTLY))" $(AT_NIGHT)

pictures: .venv/test  ## README's pictures, of drawn people, in docs/pictures; needs Chromium and a Chinese font, as of fonts-wqy-zenhei
	CONSOLE_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/console/test_pictures.py

bench-console: .venv/test  ## 30,000 people in the console beside a plain list of them, what the first page weighs, and how soon a phone says who is here; needs Chromium
	VISITS=$(or $(VISITS),2000) $(BIN)/python -m pytest -q -rP tests/console/test_many.py tests/console/test_flows.py tests/console/test_counter.py -k "30_000 or full_day or first_page or phone_says"

bench-edge: .venv/lab  ## The edge uploader: memory, opening, CPU, throughput against the local server
	$(BIN)/python -m pytest -q -s edge/tests/test_killed.py
	$(BIN)/python -m regulars_lab.bench.edge $(if $(SHORT),--spooled 2000 --pictures 40 --seconds 5)

count: .venv/lab  ## Counting people: drawn doors by day and night, 10,000 looks at a room with nobody (LOOKS=number), 100 kills (KILLS=number), and the clip beside the checkout
	$(PROOF) -rP $(if $(SHORT),,--hypothesis-profile long) edge/tests/test_count_model.py edge/tests/test_count_killed.py --edge-count-looks $(or $(LOOKS),10000) --edge-count-kills $(or $(KILLS),100)
	$(PROOF) -rP $(if $(SHORT),,--hypothesis-profile long) lab/tests/test_counting.py

lag-edge: .venv/test  ## A camera's stream and a slow consumer for ten minutes: no time of capture is off by more than 0.3 s
	$(PROOF) -s edge/tests/test_streams.py -k slower --edge-stream-s $(if $(SHORT),12,600)

crash-edge: .venv/test  ## kill -9 during uploads, 10,000 times, in PARTS=4 side by side; KILLS=number
	$(PROOF) -rP -n $(or $(PARTS),4) edge/tests/test_killed.py --edge-kills $(or $(KILLS),10000)

stop-edge: .venv/test  ## A thousand stops under load, each by hundreds of signals: none hangs; STOPS=number
	$(PROOF) -rP -n $(or $(PARTS),4) edge/tests/test_stopped.py --edge-stops $(or $(STOPS),1000)

best-shots: .venv/lab  ## A hundred passages in motion, dim, backlit or out of focus: how much worse than the best frame is the one that is sent
	$(PROOF) -s $(if $(SHORT),,--hypothesis-profile long) lab/tests/test_best_shots.py

bench-films: .venv/lab  ## Drawn films of people through the uploader to the service: the table in docs/lab/edge.md; FILM=dark for one
	$(BIN)/python -m regulars_lab.bench.films $(if $(FILM),"$(FILM)",--write docs/lab/edge.md) $(if $(SHORT),--way best_shot)

memory-edge: .venv/test  ## Four RTSP cameras, and four of 40 million pixels, for two minutes each: below the unit's MemoryMax
	$(PROOF) -s edge/tests/test_whole_box.py -k memory --edge-memory-s $(if $(SHORT),2,120)

back: .venv/test  ## Three older versions upgraded, taken back and upgraded again, by their own commands: no visit lost or doubled; COMMITS=
	$(BIN)/python -m tests.releases.back $(or $(COMMITS),8dc92702 30f5337d 8848b154)

broken-releases: .venv/test  ## Eleven broken releases, power cuts, a full disk: each box is heard again within a quarter of an hour
	$(PROOF) -s -n 0 $(if $(SHORT),,--hypothesis-profile long) edge/tests/test_update.py -k "quarter_of_an_hour_whatever or power_cut or full_disk"

systemd: .venv/test  ## The uploader's shipped units under a real systemd: started, heard, updated, taken back; needs root
	$(PROOF) -s -n 0 edge/tests/under_systemd.py

soak-edge: .venv/test  ## Eight sources misbehave for 24 simulated hours: nothing lost, nothing double, every drop told; HOURS=number, SEED=number
	$(PROOF) -s edge/tests/test_soak.py --edge-soak-hours $(or $(HOURS),24) --edge-soak-seed $(or $(SEED),18)

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
