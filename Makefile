# Two commands for everybody: `make book` and `make test`. Each does its own set-up; `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
# One thread a process and two processes are faster on a laptop than two threads in one (and timings are steadier).
export OMP_NUM_THREADS ?= 1
export PYTHONUNBUFFERED = 1
export PYDEVD_DISABLE_FILE_VALIDATION = 1
JOBS ?= 2
PORT ?= 8000
LABFLAGS ?=
FORCE ?=
# Of a chapter, with its part.
NAME ?=
# Which tests and notebooks, and where the runs write how long each took.
TESTS ?= tests
NOTEBOOKS ?= book solutions
TIMES ?= _build/times
# For a GPU: the folder of the results, how long a call may take, and which recipes (all, if none is named).
OUT ?=
SECONDS ?= 540
DEVICE ?= cuda
PRESET ?= full
FOR ?=
RECIPES ?=

.PHONY: help env book serve lab exercises generate new-chapter chapter test lint unit notebooks budget bench gpu gpu-pack clean
.DEFAULT_GOAL := help

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F '\t' '{printf "make %-11s %s\n", $$1, $$2}'

env:             ## create .venv and install into it (the other targets call this)
	@[ "$$($(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)" = True ] || \
		{ echo "make: $(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) scripts/environment.py

book: env        ## execute and build the book into _build/html
	@$(BIN)/python scripts/book.py

serve: book      ## build the book and serve it on this machine; another port: make serve PORT=8001
	@$(BIN)/python scripts/serve.py "$(PORT)"

lab: env         ## open the exercises in JupyterLab: your own copies, in work/
	@$(BIN)/python scripts/work.py
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/work $(LABFLAGS)

exercises: env   ## write book/exercises from solutions/
	@$(BIN)/python scripts/exercises.py $(if $(FORCE),--force)

generate: env    ## write the lists that follow from book/chapters.toml and from course/
	@$(BIN)/python scripts/generate.py

new-chapter: env ## lay out an empty chapter that passes every check: make new-chapter NAME=crossmodal/fusion
	@$(BIN)/python scripts/new_chapter.py "$(NAME)"

chapter: env     ## check and build one chapter: make chapter NAME=crossmodal/cca
	@$(BIN)/python scripts/chapter.py "$(NAME)"

test: env        ## every check: style, book, units, exercises, grading, notebooks, and what each chapter takes
	@rm -rf _build && mkdir -p $(TIMES) && touch $(TIMES)/start
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory book
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory notebooks
	@$(MAKE) --no-print-directory budget

lint: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python scripts/notebooks.py check $$(find book solutions -name '*.ipynb' -not -path '*/.ipynb_checkpoints/*')
	@$(BIN)/python scripts/generate.py --check
	@$(BIN)/python scripts/exercises.py --check

unit: env
	@BOOK_BUILT=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --junitxml=$(TIMES)/unit.xml $(TESTS)

# Every notebook is a test: executed from top to bottom, and the cells tagged nbval-check-output compared.
notebooks: env
	@COURSE_QUIET=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -p no:cacheprovider -o testpaths= -W default \
		--timeout 0 --nbval-lax --nbval-cell-timeout 300 --nbval-current-env --nbval-kernel-name python3 \
		--junitxml=$(TIMES)/notebooks.xml $(NOTEBOOKS)

# After `make book`, `make unit` and `make notebooks`: what each chapter took, and whether that is within its budget.
budget: env
	@$(BIN)/python scripts/budget.py $(TIMES) $(JOBS)

bench: env       ## measure against the peers; writes book/results/bench-*.json (alone on the machine, please)
	@for file in $$(grep -l '^    main(' benchmarks/*.py); do \
		$(BIN)/python $$file --output book/results/bench-$$(basename $$file .py).json || exit 1; done

# Not from `env`: a machine that is lent has its own PyTorch and, as a rule, no network.
gpu:             ## all that needs a GPU, for 540 s; call again to go on: make gpu OUT=folder SECONDS=540
	@[ -n "$(OUT)" ] || { echo "make: name a folder for the results: make gpu OUT=folder" >&2; exit 1; }
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) scripts/gpu.py "$(OUT)" --seconds "$(SECONDS)" --device "$(DEVICE)" \
		--preset "$(PRESET)" $(if $(RECIPES),--recipes $(RECIPES)) $(if $(FORCE),--force)

gpu-pack: env    ## fill gpu/ with what `make gpu` needs on a machine without a network: make gpu-pack FOR=3.12
	@$(BIN)/python scripts/gpu_pack.py $(if $(FOR),--python "$(FOR)") $(if $(RECIPES),--recipes $(RECIPES))

clean:           ## remove what make made, .venv included, but not work/
	rm -rf .venv _build .pytest_cache .ruff_cache .hypothesis *.egg-info gpu/wheels gpu/data gpu/site

.DEFAULT:
	@echo "make: there is no '$@'; make help lists what there is" >&2; exit 2
