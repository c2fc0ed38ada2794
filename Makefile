# Each target sets up .venv by itself when it is missing. `make demo` and `make test` are all a newcomer needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false
export REGRESS_CI = none

.PHONY: setup demo test check reference benchmark parity error-rates soak suites docs clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: setup  ## the whole story on a tiny model, offline, on a CPU: about three minutes
	$(BIN)/regress demo .

test: setup  ## the tests, without a network
	$(BIN)/python -m pytest -n 2 -m "not slow"

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: setup  ## judge the seven reference adapters, half an hour (skips where ../shared/reference is absent)
	$(BIN)/python benchmarks/reference.py ../shared/reference --project reference

# For example: make benchmark MODEL=path/to/model ADAPTER=path/to/adapter. The default judges an adapter of the demo's.
MODEL ?= regress/demo/model
ADAPTER ?= runs/adapters/careful

benchmark: setup  ## our check against three lm_eval runs, and the stored gate; installs lm-eval first
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[lm-eval]"
	$(BIN)/python benchmarks/speed.py --model $(MODEL) --adapter $(ADAPTER) --task both
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/gate_speed.py
	$(BIN)/python benchmarks/verify_speed.py

parity: setup  ## our engine and scorer against lm-eval's, on public data where it lies in ../shared/data
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[lm-eval]"
	$(BIN)/python benchmarks/parity.py

error-rates: setup  ## simulate 20,000 candidates a row: docs/error_rates.md and its figure
	$(BIN)/python benchmarks/error_rates.py

soak: setup  ## the long durability and fuzzing rounds
	$(BIN)/python -m pytest -n 2 -m slow

suites: setup  ## write the shipped suites again (the same bytes)
	$(BIN)/python -m regress.demo.build_suites suites

docs: export NO_MKDOCS_2_WARNING = 1  # an advertisement
docs: setup  ## the documentation as a site, in site/: reference written anew, every link checked, no network
	$(BIN)/python -m mkdocs build --strict

clean:
	rm -rf site runs reports/*.json reports/*.md baselines/runs reference regress-demo
