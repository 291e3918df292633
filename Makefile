# The commands are `make demo`, `make run` and `make test`; `make help` lists all. Each does its own set-up.

# Outside the checkout, so that a fresh clone builds only what changed.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/midwatch/target
export CARGO_TERM_COLOR ?= always
ARGS ?=
# `make run SQL=no`: without the SQL engine, which is more than half of the first build.
SQL ?= yes

.PHONY: help run demo test build web setup-build setup-test fmt lint rust-test s3-test otlp-test fuzz web-test browser-test bench torture lab lab-build lab-test clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

run: build ## build in release mode, start, print the address (ARGS="--listen 127.0.0.1:4005" for flags of serve)
	@exec "$(CARGO_TARGET_DIR)/release/midwatch" serve $(ARGS)

demo: build ## build in release mode, and show it at work on a shop that is not real (ARGS="--fault slow-sql")
	@exec "$(CARGO_TARGET_DIR)/release/midwatch" demo $(ARGS)

build: setup-build web ## build the pages and the program in release mode (SQL=no: without the SQL engine, in less than half of the time)
	@echo "== program (release)"
	cargo build --release --locked -p midwatch $(if $(filter no,$(SQL)),,--features sql)

test: setup-test web fmt lint rust-test web-test browser-test ## everything that must hold
	@echo "== all passed"

setup-build:
	@scripts/setup build

setup-test:
	@scripts/setup test

# npm ci only when the lock file has changed since the last one.
web/node_modules/.stamp: web/package-lock.json web/package.json
	@echo "== web packages"
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web: web/node_modules/.stamp ## build the pages
	@echo "== web pages"
	cd web && npm run --silent build

fmt: ## check the format
	@echo "== rustfmt"
	cargo fmt --all --check

lint: ## clippy, warnings denied
	@echo "== clippy"
	cargo clippy --workspace --all-targets --features midwatch/sql --locked -- -D warnings

rust-test: ## all Rust tests
	@echo "== Rust tests"
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --workspace --features midwatch/sql --locked --no-fail-fast && cargo test --workspace --features midwatch/sql --locked --doc -q; \
	else cargo test --workspace --features midwatch/sql --locked --no-fail-fast; fi

s3-test: ## what objects promise, at another server that speaks S3 (moto, or ARGS=URL); not part of `make test`
	@scripts/test-s3 $(ARGS)

otlp-test: build ## metrics, traces and logs by OpenTelemetry's SDK for Python, gRPC and HTTP, and a kill; not part of `make test`
	@scripts/test-otlp "$(CARGO_TARGET_DIR)/release/midwatch"

fuzz: ## fuzz what takes bytes from outside, a minute for each kind (ARGS="promql -max_total_time=600"); needs a nightly compiler
	@scripts/fuzz $(ARGS)

web-test: web/node_modules/.stamp ## tsc, Biome, unit tests of the pages
	@echo "== tsc, Biome, unit tests"
	cd web && npm run --silent check && npm run --silent lint && npm run --silent test:unit

browser-test: web ## a real browser uses the real program
	@echo "== browser test"
	cargo build --locked -p midwatch --features sql
	@scripts/browser-test "$(CARGO_TARGET_DIR)/debug/midwatch"

bench: build ## measure beside the peers, print tables (installs nothing; needs the peers' Debian packages)
	cargo run --release --locked -p bench -- $(ARGS)

torture: build ## try to make the store lose what it acknowledged: power cuts, kills, faults, damage (minutes; root for all of it)
	cargo build --release --locked -p torture --features planted-bugs --bin torture-planted
	cargo build --release --locked -p torture
	"$(CARGO_TARGET_DIR)/release/torture" all $(ARGS)

lab: build lab-build ## a real shop to watch and to break, with a Midwatch that watches it (installs Debian's packages; Ctrl-C ends it)
	@exec lab/up $(ARGS)

lab-build:
	@scripts/setup lab
	cd lab/shop && cargo build --locked

lab-test: lab-build ## break the shop in each way and see that it bites and heals (minutes); not part of `make test`
	@cargo test --locked -q --manifest-path lab/shop/Cargo.toml
	@lab/check $(ARGS)

clean: ## remove what was built
	rm -rf "$(CARGO_TARGET_DIR)" web/dist web/node_modules
