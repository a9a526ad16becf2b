# Two commands do everything: `make demo` and `make test`. Both install what is missing, and both build in the release
# profile into one folder outside the checkout, because RocksDB's C++ takes half an hour on two cores: it is built once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE := $(HOME)/.cache/snaphold
export CARGO_TARGET_DIR ?= $(CACHE)/target
# As long as FUZZ_SECONDS for each fuzz target.
FUZZ_SECONDS ?= 60
# Narrows test, test-long, fuzz, bench, bench-peers, bench-scale and acceptance: make test ONLY=damage
ONLY ?=
# Narrows bench-peers to some tools: make bench-peers TOOLS="snaphold restic"
TOOLS ?=

# Twice the processors, in each of the two groups that run side by side: tests wait for servers and for the disk.
TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))

BINARY := target/release/snaphold
CARGO := cargo --locked
# What clippy.toml grants to test functions, for the helper functions beside them.
TESTS_MAY := -A clippy::unwrap_used -A clippy::expect_used -A clippy::indexing_slicing -A clippy::panic \
	-A clippy::print_stdout -A clippy::print_stderr

.PHONY: help
help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: setup
setup: ## Installs what a build needs and this machine lacks
	@scripts/setup build

.PHONY: build
build: setup ## Builds target/release/snaphold
	$(CARGO) build --release
	@if [ "$$(realpath -m "$(CARGO_TARGET_DIR)")" != "$$(realpath -m target)" ]; then \
		mkdir -p $(dir $(BINARY)); \
		cp -f --remove-destination "$(CARGO_TARGET_DIR)/release/snaphold" $(BINARY); \
	fi
	@echo "built $(BINARY)"

.PHONY: demo
demo: build ## Snapshot, change, snapshot, list, export, restore, compare: on files that it makes itself
	@scripts/demo $(BINARY)

.PHONY: test
test: setup-test check ## All checks and tests (a quarter of an hour with a warm target folder)
	RUST_TEST_THREADS=$(TEST_THREADS) scripts/test $(ONLY)

.PHONY: setup-test
setup-test:
	@scripts/setup test

.PHONY: check
check: fmt-check lint doc deny ## Format, lints, documentation, licences and advisories

.PHONY: fmt
fmt: ## Formats the source
	cargo fmt --all

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

.PHONY: lint
lint: ## Clippy: strict for the library and the program, with what tests may do for the rest
	$(CARGO) clippy --release --lib --bins -- -D warnings
	$(CARGO) clippy --release --all-targets -- -D warnings $(TESTS_MAY)

.PHONY: doc
doc: ## Builds the documentation; a broken link fails
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --lib

.PHONY: deny
deny: ## Licences, sources and bans of the dependency tree; advisories where their database can be had
	@CACHE="$(CACHE)" scripts/deny

.PHONY: test-long
test-long: setup-test ## The tests marked `#[ignore = "long: …"]`: crash images by the thousand, kill -9 by the hundred
	$(CARGO) test --release $(ONLY) -- --ignored --nocapture --test-threads=1

.PHONY: schemathesis
schemathesis: build ## The service's OpenAPI document, tried by schemathesis (from PyPI): no 5xx, no answer outside it
	@CACHE="$(CACHE)" scripts/schemathesis $(BINARY)

.PHONY: fuzz
fuzz: setup-test build ## Every fuzz target for FUZZ_SECONDS (60) each
	@scripts/fuzz --self-test
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(ONLY)

.PHONY: bench
bench: build ## Each stage alone, and snapshot and restore whole
	$(CARGO) bench --bench '*' -- $(ONLY)

.PHONY: bench-service
bench-service: build ## A page of 100,000 snapshots for 200 clients at once: how long it takes
	$(CARGO) bench --bench service

.PHONY: bench-peers
bench-peers: build ## Beside restic, borg, rustic and others, on the same work in turns: benches/peers/README.md
	@benches/peers/setup
	benches/peers/run --self-test
	benches/peers/run $(ONLY) --tools "$(TOOLS)"

.PHONY: bench-scale
bench-scale: build ## What grows: chunks, data, snapshots, holes, files (docs/SCALING.md). Half an hour and 12 GB of disk
	benches/scale/run --binary $(BINARY) $(ONLY)

.PHONY: acceptance
acceptance: setup-test build ## What was promised, on real data: kernel trees, a PostgreSQL folder, real dumps; beside its peers
	tests/acceptance/run --self-test
	tests/acceptance/run $(ONLY)

.PHONY: clean
clean: ## Removes the checkout's own output; the shared target folder stays (RocksDB is in it)
	rm -rf target
