# Every verb of the project; `make help` lists them. Needs make and Python 3.11, 3.12 or 3.13.
# Paths are relative, so a checkout may have spaces in its path.

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test check bench chaos fmt lock clean
.DELETE_ON_ERROR:

BIN := .venv/bin
STAMP := .venv/.installed
# More arguments for the program behind a verb: make test ARGS="-k watermark"
ARGS ?=

help: ## List the verbs
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r verb text; \
	do printf '  make %-8s %s\n' "$$verb" "$$text"; done

setup: $(STAMP) ## Make the environment in .venv (every other verb does this by itself)
	@:

$(STAMP): requirements.lock pyproject.toml .ci/setup
	@sh .ci/setup
	@touch $@

demo: $(STAMP) ## Sync the demo store into an embedded PostgreSQL, through Dagster
	@$(BIN)/sync-pipeline demo $(ARGS)

dev: $(STAMP) ## The same, then the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/sync-pipeline dev $(ARGS)

test: $(STAMP) ## Run the tests, on DATABASE_URL when set, else on an embedded PostgreSQL
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

check: $(STAMP) ## Lint, format, types, direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP) ## Measure: ratios to the old design and to what PostgreSQL can do at all
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: $(STAMP) ## The whole fault suite: kill -9 of every process, 100 stores at once, every fault of a store
	@SYNC_TEST_CHAOS=full $(BIN)/python -m pytest -rP sync_pipeline_tests/chaos \
		sync_pipeline_tests/end_to_end/test_deployment.py \
		sync_pipeline_tests/end_to_end/test_faults.py \
		sync_pipeline_tests/stages/test_upsert_under_actions.py $(ARGS)

fmt: $(STAMP) ## Format, and fix what the linter can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(STAMP) ## Resolve the dependencies anew into requirements.lock
	@printf 'hatchling\neditables\n' | $(BIN)/uv pip compile pyproject.toml - --group dev \
		--universal --python-version 3.11 --generate-hashes --upgrade --quiet \
		--no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	@! grep -nE '(https?|file)://|--(index|extra-index|find-links)' requirements.lock

clean: ## Remove the environment, the embedded database and every cache
	@test ! -x $(BIN)/python || $(BIN)/python .ci/stop_servers.py
	rm -rf .venv .local .tmp_dagster_home* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
