.DEFAULT_GOAL := help
.PHONY: help demo test lint image e2e clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## See it at work: takes a Postgres along, seeds, shows a conflict
	@cargo build --bins --examples
	@cargo run --quiet --example demo

# Every test on one version of Postgres, then the case file on the oldest and the newest that are supported.
test: ## Run everything there is
	cargo test
	POSTGRES_VERSION=13 cargo test --test cases
	POSTGRES_VERSION=18 cargo test --test cases

lint: ## Check formatting, lints, dependencies
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)" >&2; fi

image: ## Build both images without a daemon, and show their sizes
	@hack/image --target init
	@hack/image --target full

e2e: ## Real pods: on the current kubeconfig's cluster, else on a node of our own (root)
	@tests/e2e/run

clean: ## Remove what was built, the Postgres binaries included
	cargo clean
