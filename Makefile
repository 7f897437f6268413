# Everything is built in the release profile, so that RocksDB is compiled once per target directory.

CARGO      ?= cargo
# Where `make sdk` installs OpenFGA's SDKs; the test of the README takes its Python.
SDK_DIR    ?= .venv
export SDK_DIR
FUZZ_SECONDS ?= 600
CRASH_ROUNDS ?= 2000
SOAK_MINUTES ?= 60
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help build test crash overload soak sdk lint bench fuzz api-fuzz demo deps

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 8

demo: build ## Start a server, load the cooperation example, ask it questions; DEMO_EXIT=1 ends by itself
	@scripts/demo "$(TARGET_DIR)/release/tenure"

test: export PATH := $(abspath $(SDK_DIR))/bin:$(PATH)
test: deps ## Run all tests
	$(CARGO) test --release --locked
	@python3 -c 'import openfga_sdk' 2>/dev/null || echo "NOT RUN: the Python of the README, as python3 has no openfga_sdk (make sdk)"

crash: deps ## Kill the server CRASH_ROUNDS (2000) times and compare what is found; prints the figures
	TENURE_CRASH_ROUNDS=$(CRASH_ROUNDS) $(CARGO) test --release --locked --test crash -- --nocapture killed

overload: build ## Ask ten times what the server can take; prints how long what it lets in takes
	@scripts/overload "$(TARGET_DIR)/release/tenure"

soak: build ## Load the server with half of what it can take for SOAK_MINUTES (60); prints memory and times of each minute
	@scripts/soak "$(TARGET_DIR)/release/tenure" $(SOAK_MINUTES)

sdk: build ## Run OpenFGA's SDKs against the server; installs them in .venv or SDK_DIR
	@scripts/sdk install
	@scripts/sdk run "$(TARGET_DIR)/release/tenure"

lint: deps ## Check format, lints, licenses and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	@scripts/deny

bench: deps ## Run the benchmarks and show the figures that have a target; BENCHES names some of them
	@scripts/bench $(BENCHES)

fuzz: deps ## Run each fuzz target for FUZZ_SECONDS (600); needs cargo-fuzz and a nightly toolchain
	@for target in dsl json_model condition request_body; do \
	  mkdir -p "fuzz/corpus/$$target" && \
	  $(CARGO) +nightly fuzz run -s none "$$target" "fuzz/corpus/$$target" "fuzz/seeds/$$target" -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 || exit 1; \
	done

api-fuzz: export PATH := $(abspath $(SDK_DIR))/bin:$(PATH)
api-fuzz: build ## Send the server what its description allows and does not, for FUZZ_SECONDS (600); needs schemathesis
	@scripts/api-fuzz "$(TARGET_DIR)/release/tenure" $(FUZZ_SECONDS)

build: deps ## Build the tenure program
	$(CARGO) build --release --locked

deps: ## Check for what the build needs, and install it on Debian
	@scripts/deps
