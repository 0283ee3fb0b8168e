# make demo | make test | make test-long | make lint
# PYTHON: the interpreter .venv is made with.  PIP_ARGS: for another package index, for example
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
# keeps the CUDA libraries, some gigabytes, off a Linux machine without a GPU.
PYTHON ?= python3
PIP_ARGS ?=
OUT ?= demo
WORKERS ?= 2

BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test test-long lint clean

demo: $(INSTALLED)
	$(BIN)/emberface demo -o $(OUT)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-long: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long

lint: $(INSTALLED)
	$(BIN)/ruff check .

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
