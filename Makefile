# Two commands: `make app` serves the page, `make test` runs every check. Each sets up .venv by itself first.
# ARGS passes options on: make app ARGS="--model llava-1.5-7b --port 8000", make test ARGS="tests/engine -x".

PYTHON ?= python3
# The matched pair the tests ran with; any torch from 2.8 on works: make TORCH="torch torchvision" app
TORCH ?= torch==2.14.1 torchvision==0.29.1
BIN := .venv/bin
ARGS ?=
# Tests: one worker more than there are cores, since browsers keep some waiting; who is done early takes over from others
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(os.cpu_count() + 1, 5))")
PARALLEL ?= -n $(WORKERS) --dist worksteal
NUMBERS := $(addprefix tests/engine/test_,equality.py roots.py streams.py) \
	$(addprefix tests/methods/test_,methods.py methods_golden.py)
MATRIX := tests/engine/test_families.py tests/methods/test_methods_literal.py

.PHONY: app test test-elsewhere check format bench paper scenes-report scenes-model clean

app: .venv/.app
	$(BIN)/python app.py $(ARGS)

test: .venv/.test check
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# The engine's numbers as another processor computes them: plain instructions, and two threads where the others have one.
test-elsewhere: export ATEN_CPU_CAPABILITY = default
test-elsewhere: .venv/.test
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest $(NUMBERS) $(ARGS)
	$(BIN)/python -m pytest $(PARALLEL) $(MATRIX) $(ARGS)

check: .venv/.test node_modules/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	find viz -name "*.pyi" -delete  # written by Gradio, which mypy would read in place of the code
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	npm run --silent check

format: .venv/.test node_modules/.check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	npm run --silent format

bench: .venv/.test
	$(BIN)/python -m tests.speed.speed $(ARGS)

# Every table and figure of the paper on the embedded model, into docs/: four benchmarks, eight methods, ablation, sweeps.
paper: .venv/.recipes
	$(BIN)/python -m assets.recipes.paper $(ARGS)

# What the embedded model can do, and what each method changes, on fresh scenes; and the model itself from nothing (hours).
scenes-report: .venv/.recipes
	$(BIN)/python -m assets.recipes.report $(ARGS)

scenes-model: .venv/.recipes
	$(BIN)/python -m assets.recipes.train $(ARGS)

clean:
	rm -rf .venv build node_modules

# Debian's python3 comes without venv: then install it, or say what to install.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "CLVS Explorer needs Python 3.10 or newer; name one with: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		(apt-get install -y -q python3-venv || sudo apt-get install -y -q python3-venv) && $(PYTHON) -m venv .venv; } || \
		{ rm -rf .venv; echo "Python's venv module is missing; run: apt install python3-venv"; exit 2; }

.venv/.app: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH) -r requirements.txt
	@touch $@

.venv/.test: tests/requirements.txt .venv/.app
	$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH) -r requirements.txt -r tests/requirements.txt
	@touch $@

.venv/.recipes: assets/recipes/requirements.txt .venv/.app
	$(BIN)/python -m pip install -q --disable-pip-version-check -r assets/recipes/requirements.txt
	@touch $@

# For those who change the page's JavaScript: formatter, linter, type check and tests. Who uses the page needs no Node.
node_modules/.check: package-lock.json
	@command -v npm >/dev/null || apt-get install -y -q nodejs npm || sudo apt-get install -y -q nodejs npm || \
		{ echo "Node.js and npm are missing; run: apt install nodejs npm"; exit 2; }
	npm ci --silent --no-audit --no-fund
	@node -e 'process.exit(parseInt(process.versions.node) < 20)' || npm install --silent --no-audit --no-fund --no-save node@20
	@touch $@
