# make demo   search a cell on real digits, say where it stands among all (under 3 minutes after installing)
# make test   style, types, every test, notebooks included
# make lab    JupyterLab on copies of the lessons to work in (my_lessons/)
# For shells without make, README.md has the plain commands behind each.

PYTHON ?= python3
DEMO ?= runs/demo
BIN = .venv/bin

.PHONY: demo test lab notebooks

demo: .venv/installed
	rm -rf $(DEMO)
	$(BIN)/dartsedu search --preset bench-classroom --out $(DEMO)
	$(BIN)/dartsedu train $(DEMO)

# Two to four processes share the files: fixtures, the cells of a notebook and the browser stay together.
test: export OMP_NUM_THREADS = 1
test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	  --nbval --nbval-current-env --nbval-cell-timeout 120 notebooks tests

lab: .venv/installed
	$(BIN)/python notebooks/source/working_copies.py
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/my_lessons $(if $(filter 0,$(shell id -u)),--allow-root)

notebooks: .venv/installed
	$(BIN)/python notebooks/source/build_lessons.py

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "no venv module here; on Debian: apt install python3-venv"; rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@
