# Everything is built in the release profile, so that RocksDB is compiled once per target directory.

CARGO      ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help build test lint bench demo deps

help: ## Show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 8

demo: build ## Start a server, load the cooperation example, ask it questions; DEMO_EXIT=1 ends by itself
	@scripts/demo "$(TARGET_DIR)/release/tenure"

test: ## Run all tests
	$(CARGO) test --release --locked

lint: ## Check format, lints, licenses and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	@scripts/deny

bench: ## Run the benchmarks
	$(CARGO) bench --locked

build: ## Build the tenure program
	$(CARGO) build --release --locked

deps: ## Check for what the build needs, and install it on Debian
	@scripts/deps
