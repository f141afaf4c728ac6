.DEFAULT_GOAL := help

BIN  := .venv/bin
ARGS ?=

# ARGS="…" is passed on to the command of every target below, e.g. make train ARGS="model=causal_cnn".

##@ Use

help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: .venv/.installed ## train one model, compare it with the baselines, track the run
	$(BIN)/forecast train $(ARGS)

backtest: .venv/.installed ## retrain before each fold of the test span
	$(BIN)/forecast backtest $(ARGS)

sweep: .venv/.installed ## try a grid on time-ordered folds, with a leaderboard
	$(BIN)/forecast sweep $(ARGS)

best: .venv/.installed ## the best forecast in a given time: BUDGET=600
	$(BIN)/forecast best $(if $(BUDGET),budget=$(BUDGET)) $(ARGS)

predict: .venv/.installed ## forecast the next horizon with a run: RUN=<id>
	$(BIN)/forecast predict $(if $(RUN),run=$(RUN)) $(ARGS)

inspect: .venv/.installed ## report on the gates of one run, or of two: RUN=<id> OTHER=<id>
	$(BIN)/forecast inspect $(if $(RUN),run=$(RUN)) $(if $(OTHER),other=$(OTHER)) $(ARGS)

compare: .venv/.installed ## compare runs on their common origins: RUNS=<id>,<id>
	$(BIN)/forecast compare $(if $(RUNS),runs=[$(RUNS)]) $(ARGS)

reproduce: .venv/.installed ## retrain a run and check that everything matches bit for bit: RUN=<id>
	$(BIN)/forecast reproduce $(if $(RUN),run=$(RUN)) $(ARGS)

promote: .venv/.installed ## make the challenger champion if it is better: NAME=<registered model>
	$(BIN)/forecast promote $(if $(NAME),registered=$(NAME)) $(ARGS)

check-data: .venv/.installed ## report on the quality of the data; trains nothing
	$(BIN)/forecast check $(ARGS)

explain: .venv/.installed ## show shapes and parameters of the configured model; trains nothing
	$(BIN)/forecast explain $(ARGS)

ui: .venv/.installed ## browse the runs with MLflow on 127.0.0.1 (PORT=5000)
	@$(BIN)/forecast ui $(if $(PORT),tracking.port=$(PORT)) $(ARGS)

##@ Develop

environment: .venv/.docs ## install everything into .venv, except what `bench` needs

notebooks: .venv/.docs ## run the notebooks again, in place
	$(BIN)/jupyter-execute --inplace --NotebookClient.record_timing=False docs/notebooks/*.ipynb

# the files that name a marker: importing all others takes six seconds
marked = $$(grep -rlE 'mark\.$(1)\b' tests --include='test_*.py' | sort)

test: .venv/.installed ## run all quick tests and the doctests
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-slow: .venv/.installed ## run long trainings
	$(BIN)/pytest -n 2 --dist loadfile -m slow $(call marked,slow) $(ARGS)

test-processes: .venv/.installed ## run the tests that start processes
	$(BIN)/pytest -n 2 --dist loadfile -m processes $(call marked,processes) $(ARGS)

test-faults: .venv/.installed ## run the tests that kill processes and servers
	$(BIN)/pytest -n 2 --dist loadfile -m faults $(call marked,faults) $(ARGS)

test-relations: .venv/.installed ## check relations that must hold between experiments, on random panels
	$(BIN)/pytest -n 2 -m relations tests/relations $(ARGS)

test-install: .venv/.installed ## install the built wheel into an empty environment and test it
	$(BIN)/pytest -m install $(call marked,install) $(ARGS)

test-docs: .venv/.docs ## run the commands, Python blocks and experiments of the documentation
	$(BIN)/pytest -n 2 -m docs $(call marked,docs) $(ARGS)

test-ui: .venv/.docs ## open MLflow and the pages of a run in Chromium (Debian's package chromium)
	$(BIN)/pytest -m ui $(call marked,ui) $(ARGS)

golden: .venv/.installed ## train the fixed trials and rewrite their scores: tests/search/golden.json
	$(BIN)/python -m tests.search.golden

docs: .venv/.docs ## build the documentation as a site in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean $(ARGS)
	@echo "read it with: python3 -m http.server 8000 --bind 127.0.0.1 --directory build/site"

docs-pictures: .venv/.docs ## train, and redraw every picture of the documentation (ARGS=FOLDER: from its store)
	$(BIN)/python -m tests.ui.pictures $(ARGS)

bench: .venv/.bench ## compare speed with Keras and PyTorch (10 minutes): docs/performance.md
	$(BIN)/python -m benchmarks $(ARGS)

literature: .venv/.installed ## train on the data sets of the literature (hours): docs/benchmarks.md
	$(BIN)/python -m benchmarks.literature $(ARGS)

lint: .venv/.installed ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/.installed ## format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Left alone, the resolver takes an older graphene (under mlflow) to reach a newer python-dateutil.
LOCK := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock: .venv/.installed ## update both lock files (ARGS=--upgrade: newest versions)
	echo "graphene>=3.4.3" | $(LOCK) --extra dev -o requirements.lock -c - $(ARGS) pyproject.toml
	$(LOCK) --extra docs -o requirements-docs.lock -c requirements.lock $(ARGS) pyproject.toml \
	  $$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock) # it comes on top

clean: ## remove caches and build leftovers; keeps .venv, runs and data
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find forecast tests -name __pycache__ -type d -prune -exec rm -rf {} +

# -qq, since pip warns about ordinary things; --compile, since importing TensorFlow takes 6 s with
# .pyc files and 20 s without.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --compile
FITS        := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.venv/.installed: requirements.lock pyproject.toml
	@if [ -e $@ ]; then echo "updating .venv"; else echo "setting up .venv (once, a few minutes)"; fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  for python in python3.11 python3 python3.12 python3.13 none; do \
	    "$$python" -c '$(FITS)' 2>/dev/null && break; \
	  done; \
	  if [ "$$python" = none ]; then \
	    echo "forecast needs Python 3.11, 3.12 or 3.13 and found $$(python3 --version 2>&1): install one of them and run make again." >&2; \
	    exit 2; \
	  fi; \
	  "$$python" -m venv --clear .venv; }
	@$(PIP_INSTALL) --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true # pip would take one core; some files are of another Python
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.bench: .venv/.installed
	@$(PIP_INSTALL) -e ".[bench]" --no-build-isolation
	@touch $@

.venv/.docs: .venv/.installed requirements-docs.lock
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-docs.lock
	@touch $@

.PHONY: help environment train backtest sweep predict inspect compare reproduce promote check-data explain ui notebooks test test-slow test-processes test-faults \
  test-relations test-install test-docs test-ui golden docs docs-pictures bench literature lint format lock clean
