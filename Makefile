# `make book` and `make test` are all that a reader needs; each sets up .venv first, once.
# `make check` is for every change: the linters and the tests of the mathematics, in two minutes.
#   PYTHON=python3.12    the interpreter for the set-up, 3.11 or newer
#   TORCH_INDEX=URL      take torch, and torch only, from this package index (its small CPU build, for one)
#   CHAPTERS="gan ..."   what `make notebooks` executes; every chapter when not given
#   MUTATE="--jobs 4"    options of `make mutate`, see tests/mutate.py
PYTHON ?= python3
TORCH_INDEX ?=
CHAPTERS ?=
MUTATE ?=

BIN := .venv/bin
READY := .venv/.ready
LOCK := requirements/lock.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
CORE := $(addprefix tests/test_,$(addsuffix .py,checks divergences bounds fits optim distributions nets models \
	gan fgan infogan cyclegan vae ali avb style project))
PAGE := $(CURDIR)/_build/html/index.html

.PHONY: book html test check notebooks lint lock bench mutate clean

book: html
	@printf '\nThe book: %s\n' "$(PAGE)"
	@[ -n "$$CI" ] || { [ "$$(uname)" = Darwin ] && open "$(PAGE)"; } || \
	 { [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && (xdg-open "$(PAGE)" >/dev/null 2>&1 &); } || true

html: $(READY)
	$(BIN)/jupyter-book build book --config _config.yml --path-output . --all -q -W --keep-going

test: html
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: lint
	$(BIN)/python -m pytest --numprocesses auto -m "not slow" $(CORE)

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
$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("gannotes needs Python 3.11 or newer, \
	and $(PYTHON) is " + sys.version.split()[0] + ": try `make PYTHON=python3.12 ...`")'
	@echo "Setting up .venv: this takes a minute or more, and happens once."
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) "$$(grep '^torch==' $(LOCK))")
	$(PIP) -r $(LOCK)
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
