# The newcomer's two commands are `make atlas` and `make test`; both create the environment they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: atlas test test-all lint validation notebooks docs bench clean help

help:
	@echo "make atlas       table, figures, derivations and finite-N checks on one page: atlas/index.html"
	@echo "make test        the fast tests"
	@echo "make test-all    every test, the slow ones too"
	@echo "make lint        ruff and mypy"
	@echo "make validation  finite-N experiments against theory (quick)"
	@echo "make notebooks   every notebook, executed as a notebook: build/notebooks"
	@echo "make docs        the documentation: build/docs/index.html"
	@echo "make bench       speed ratios against plain SciPy, measured in one run"

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("replicas needs Python >= 3.11, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[flint,xarray,cluster,docs,test,dev]"
	@touch $(STAMP)

atlas: $(STAMP)
	$(BIN)/python -m validation --quick --output atlas || test $$? -eq 1
	$(BIN)/replicas atlas -o atlas

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-all: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check mpi4py mpich
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "slow or not slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

validation: $(STAMP)
	$(BIN)/python -m validation --quick

# nightly: the tests run the same files as scripts
notebooks: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[notebooks]"
	@mkdir -p build/notebooks
	@for n in notebooks/*.py; do \
		echo $$n; \
		$(BIN)/jupytext --quiet --to ipynb --execute --set-kernel python3 --output build/notebooks/$$(basename $$n .py).ipynb $$n || exit 1; \
	done

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs
	@echo build/docs/index.html

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) atlas build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
