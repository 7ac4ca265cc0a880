# Everything that is done with this repository, by name. "make help" lists it.
# It needs Go; the targets that use the race detector also need a C compiler.

GO        ?= go
PACKAGES  ?= ./...
FUZZTIME  ?= 20s
BENCH     ?= .
BENCHTIME ?= 1s
BUDGET    ?= 60s
ROUNDS    ?= 200
CHAOSTIME ?= 30m

# Packages in which goroutines meet.
RACE = ./phxpaxos ./phxpaxos/group ./phxpaxos/network/... ./phxpaxos/paxos ./phxpaxos/storage/... ./phxpaxos/timer ./phxpaxos/transfer ./phxpaxos/waitlock ./plugin/... ./sample/phxkv/...

.DEFAULT_GOAL := help

.PHONY: help
help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Variables: PACKAGES=$(PACKAGES) FUZZTIME=$(FUZZTIME) BENCH=$(BENCH) BENCHTIME=$(BENCHTIME) BUDGET=$(BUDGET)'

.PHONY: demo
demo: ## the key-value store: three servers on this machine; one is killed and comes back
	$(GO) run ./tools/demo

.PHONY: build
build: ## every program, into bin/
	./build.sh

.PHONY: test
test: ## all tests
	$(GO) test $(PACKAGES)

.PHONY: speed
speed: ## the tests once more, one package after the other, with the times that a quiet machine takes as limits
	PHXPAXOS_TEST_SPEED=1 $(GO) test -p 1 -count 1 $(PACKAGES)

.PHONY: race
race: ## all tests of the packages with goroutines, under the race detector
	$(GO) test -race -short -skip '^TestExplore' $(RACE)

.PHONY: sim
sim: ## simulated clusters with faults for BUDGET, or SEEDS=1-100, each checked; SEED=… replays one with a trace
	$(GO) run ./tools/sim $(if $(SEED),-seed $(SEED) -trace,$(if $(SEEDS),-seeds $(SEEDS),-budget $(BUDGET)))

.PHONY: fuzz
fuzz: ## every fuzz test for FUZZTIME
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		for f in $$(grep -h '^func Fuzz' $$dir/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort -u); do \
			echo "fuzz $$dir $$f"; \
			$(GO) test $$dir -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x; \
		done; \
	done

.PHONY: bench
bench: ## throughput of three processes on this machine, synced: 1, 10, 100 and 1000 callers
	$(GO) run ./tools/bench/phxpaxos_bench

.PHONY: peers
peers: ## this library and others in turns, about 26 minutes; ROUNDS=… and PEERS='-loads …' change it
	cd tools/peerbench && $(GO) run . $(if $(filter command line,$(origin ROUNDS)),-rounds $(ROUNDS)) $(PEERS)

.PHONY: bench-table
bench-table: ## the tables of docs/performance.md, about 25 minutes on a quiet machine; DISK=… is the directory to measure in
	$(GO) run ./tools/bench/phxpaxos_bench -matrix -seconds 2 -warmup 0.5 $(if $(DISK),-dir $(DISK)) -markdown docs/performance_matrix.md -svg docs/performance_matrix.svg
	cd tools/peerbench && $(GO) run . -measured 1200ms -warmup 500ms $(if $(DISK),-dir $(DISK)) -markdown ../../docs/performance_peers.md

.PHONY: kvbench
kvbench: ## the key-value store beside etcd, which is fetched as a Go module: ratios for 1, 10, 100 and 1000 callers
	cd tools/kvbench && $(GO) run .

.PHONY: microbench
microbench: ## benchmarks of the packages that match BENCH
	$(GO) test $(PACKAGES) -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem

.PHONY: mutations
mutations: ## one deliberate fault for each unit test; every one must be noticed
	$(GO) run ./ut/mutations

.PHONY: chaos
chaos: ## kill -9 under load, ROUNDS times, and compare everything
	$(GO) run ./tools/chaos -rounds $(ROUNDS) -garbage 3s

.PHONY: kvchaos
kvchaos: ## the key-value store under kill -9, pauses, partitions and lost disks for CHAOSTIME; judged by porcupine
	$(GO) run ./tools/kvchaos -time $(CHAOSTIME)

.PHONY: attack
attack: ## an attacker on another host, against clusters with SourceCheck, a secret and TLS; needs root and ip (iproute2)
	$(GO) run ./tools/attack $(ATTACK)

.PHONY: comeback
comeback: ## nodes that lost their disk come back under load, ROUNDS times, with kill -9 in the middle of the transfer
	$(GO) run ./tools/comeback -rounds $(ROUNDS)

.PHONY: upgrade
upgrade: ## clusters of an earlier commit are replaced node by node under load, and back; UPGRADE=-long for all procedures
	$(GO) run ./tools/upgrade $(UPGRADE)

.PHONY: pluginkill
pluginkill: ## kill the process of a state machine under load, ROUNDS times, and compare everything
	$(GO) run ./tools/plugin_chaos -kills $(ROUNDS)

.PHONY: generate
generate: ## write again what is generated: protobuf code, mocks, inventory of licences
	./tools/generate/generate.sh
	$(GO) generate ./...
	$(GO) run ./tools/licenses

.PHONY: lint
lint: ## format, vet, house rules, generated files and licences up to date
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run ./tools/tidy
	$(GO) run ./tools/licenses -check
	./tools/generate/generate.sh -check
	$(GO) mod verify

.PHONY: ci
ci: ## what is checked before anything is merged
	./.ci/run

.PHONY: clean
clean: ## remove what was built and what the samples left here
	rm -rf bin log logpath_* phxpaxos_bench.md phxpaxos_bench.svg
