# `make book` and `make test` are all that a reader needs; each sets up .venv first, once.
# `make check` is for every change: the linters and the tests of the mathematics, in two minutes.
# `make lab` opens the chapters in JupyterLab.
#   PYTHON=python3.12    the interpreter for the set-up, 3.11 or newer
#   TORCH=cuda           torch with CUDA; where it is not given, Linux without an accelerator takes the small CPU build
#   TORCH_INDEX=URL      take torch, and torch only, from this package index
#   UV=                  pip, although uv is there, which is faster
#   CHAPTERS="gan ..."   what `make notebooks` executes; every chapter when not given
#   MUTATE="--jobs 4"    options of `make mutate`, see tests/mutate.py
PYTHON ?= python3
TORCH ?=
TORCH_INDEX ?=
UV ?= uv
CHAPTERS ?=
MUTATE ?=

BIN := .venv/bin
READER := .venv/.ready
READY := .venv/.ready-contributors
LISTS := requirements/readers.txt requirements/torch.txt requirements/install.py pyproject.toml
INSTALL := TORCH="$(TORCH)" TORCH_INDEX="$(TORCH_INDEX)" UV="$(UV)" $(BIN)/python requirements/install.py
CORE := $(addprefix tests/test_,$(addsuffix .py,checks divergences bounds fits optim distributions nets models \
	gan fgan infogan cyclegan vae ali avb style project))
PAGE := $(CURDIR)/_build/html/index.html

.PHONY: book html test check lab pdf dist notebooks lint lock bench mutate clean

book: html
	@printf '\nThe book: %s\n' "$(PAGE)"
	@[ -n "$$CI" ] || { [ "$$(uname)" = Darwin ] && open "$(PAGE)"; } || \
	 { [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && (xdg-open "$(PAGE)" >/dev/null 2>&1 &); } || true

html: $(READER)
	$(BIN)/jupyter-book build book --config _config.yml --path-output . --all -q -W --keep-going

test: html $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: lint
	$(BIN)/python -m pytest --numprocesses auto -m "not slow" $(CORE)

# The book as one PDF: the built pages, printed by Chromium.
pdf: html $(READY)
	$(BIN)/python book/pdf.py

# The wheel and the sdist, in dist/.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation

# JupyterLab on the chapters, with what renders their text as the book does.
lab: $(READER)
	@$(BIN)/python -c "import jupyterlab, jupyterlab_myst" 2>/dev/null || $(INSTALL) lab
	@$(BIN)/jupyter trust book/*.ipynb >/dev/null
	$(BIN)/jupyter lab --notebook-dir=book

notebooks: $(READY)
	$(BIN)/python book/execute.py $(CHAPTERS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(READY)
	$(BIN)/python requirements/lock.py

bench: $(READY)
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/live.py

# Does a test fail for every small change of the mathematics? Most of an hour; then only what changed.
mutate: $(READY)
	$(BIN)/python tests/mutate.py $(MUTATE)

clean:
	rm -rf _build .hypothesis .mypy_cache .pytest_cache .ruff_cache

# The stamp comes last and goes first: a set-up that was interrupted starts from an empty .venv.
$(READER): $(LISTS)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("gannotes needs Python 3.11 or newer, \
	and $(PYTHON) is " + sys.version.split()[0] + ": try `make PYTHON=python3.12 ...`")'
	@echo "Setting up .venv: this takes a minute or more, and happens once."
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	@$(INSTALL) readers
	@touch $@

$(READY): $(READER) requirements/lab.txt requirements/contributors.txt
	@echo "Setting up what contributors need:"
	@rm -f $(READER) $@
	@$(INSTALL) contributors
	@touch $(READER) $@
