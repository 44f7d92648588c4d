.DEFAULT_GOAL := help
.PHONY: help demo test lint stress bench image e2e clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## See it at work: brings a Postgres, seeds, shows a conflict
	@hack/demo

test: ## Run every test
	@hack/test

# The same tests of faults as in `make test`, far more often; on loopback only, and at most 15 minutes.
stress: ## Kill it, cut it, freeze it, race it, restart its server
	STRESS=1 timeout 900 cargo test --features failpoints --test stress -- crash:: killed:: server:: together::

# Compares with other programs in one run and writes docs/performance.md. Nothing else should run meanwhile.
bench: ## Measure time, memory and size
	@CARGO_TARGET_DIR=target/bench hack/image --target init --without-sbom --output target/bench/init.tar
	@CARGO_TARGET_DIR=target/bench hack/build --target init --without-sbom -- --features bench --bin floor
	@hack/image --target full --without-sbom --output target/bench/full.tar
	cargo run --example bench

lint: ## Check formatting, lints, dependencies, scripts, workflows
	cargo fmt --check
	cargo clippy --all-targets --features failpoints,bench -- -D warnings
	cargo clippy --no-default-features -- -D warnings
	@if command -v c++ >/dev/null && cargo fetch --quiet --manifest-path fuzz/Cargo.toml; then \
	  cargo check --quiet --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-check; \
	else echo "skipped: the targets of cargo-fuzz need a C++ compiler and libfuzzer-sys" >&2; fi
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)" >&2; fi
	@hack/lint-scripts

# Only a release must have the list of dependencies in its binaries.
WITHOUT_SBOM := $(shell cargo auditable --version >/dev/null 2>&1 || echo --without-sbom)

image: ## Build both images without a daemon, and show their sizes
	@[ -z "$(WITHOUT_SBOM)" ] || echo "without a list of dependencies: cargo-auditable is not installed (cargo install --locked cargo-auditable)" >&2
	@hack/image --target init $(WITHOUT_SBOM)
	@hack/image --target full $(WITHOUT_SBOM)

e2e: ## Real pods: on the current kubeconfig's cluster, else on a separate node (root)
	@tests/e2e/run

clean: ## Remove what was built, the Postgres binaries included
	cargo clean
