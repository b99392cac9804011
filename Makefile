# The two commands are `make demo` and `make test`; the rest is longer.
.PHONY: demo test findings setup bench soak fuzz clean

setup:
	@scripts/setup

# Installs what is missing, builds, and measures what three replication modes keep and lose.
demo: setup
	cargo build --release --workspace
	target/release/schism demo

# Everything that CI checks.
test: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo build --workspace
	cargo test --workspace

# What etcd, Redis and PostgreSQL keep and lose, counted over seeds, in four labs side by side:
# most of a run is waiting.
FINDINGS_SEEDS ?= 1..10
FINDINGS ?= findings/*.toml
FINDINGS_RUNS ?= runs/findings
findings: setup
	cargo build --release --workspace
	rm -rf $(FINDINGS_RUNS)
	for part in 1 2 3 4; do \
		target/release/schism run $(FINDINGS) --seeds $(FINDINGS_SEEDS) --partition $$part/4 \
			--progress none --runs $(FINDINGS_RUNS)/$$part >/dev/null & \
	done; wait
	target/release/schism merge $(addsuffix /latest,$(addprefix $(FINDINGS_RUNS)/,1 2 3 4)) \
		--runs $(FINDINGS_RUNS) --tally

# Figures, side by side with a simple baseline where there is one.
# HISTORIES names a folder of histories of known difficulty; see benches/named.rs.
OPS ?= 10000000
# How the cost grows shows at several sizes.
GROWTH ?= 10000 100000 1000000 $(OPS)
bench: setup
	cargo bench --bench interpreter
	cargo bench -p checkers --bench readers
	cargo bench -p checkers --bench exact -- $(OPS)
	cargo bench -p checkers --bench stale -- $(GROWTH)
	cargo bench -p checkers --bench weak -- $(GROWTH)
	cargo bench -p checkers --bench ledger -- $(GROWTH)
	cargo bench -p checkers --bench invariants -- $(GROWTH)
	cargo bench --bench report
	cargo bench -p fixtures --bench nodes
	cargo bench --bench named -- $(HISTORIES)
	cargo bench -p checkers --bench search -- $(HISTORIES)

# Ten million small random histories for each checker against its definition, and the
# demo's claims about seeds: asynchronous replication must lose, synchronous must not.
SEEDS ?= 10000000
soak: setup
	SCHISM_SOAK_SEEDS=$(SEEDS) cargo test --release -p checkers
	cargo build --release --workspace
	target/release/schism demo --only async-leader-killed --seeds 1..20
	target/release/schism demo --only sync-leader-killed --seeds 1..20
	target/release/schism demo --only sync-leader-cut-off --seeds 1..20
	target/release/schism demo --only semi-sync-leader-cut-off --seeds 1..20

# Every reader, and the way from bytes to a verdict, against nonsense; needs a nightly compiler.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS = jsonl jepsen_edn jepsen_json jepsen_log porcupine binary detect_and_judge roundtrip
fuzz: setup
	cargo fuzz --version || cargo install --locked cargo-fuzz
	set -e; for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/target/corpus/$$target; \
		cargo +nightly fuzz run $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=2048 -rss_limit_mb=2000 -timeout=20; \
	done

clean:
	cargo clean
