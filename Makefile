# riposte. `make` lists the targets; each does all that it needs, fetching included.
SHELL := /bin/bash
GO    ?= go
BIN   := bin/riposte
SEED  ?= 1
KILLS ?= 100
BROKER ?= kfake
VARIANT ?= kills
FUZZTIME ?= 10s
ARGS  ?=
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build deps up test test-kafka race lint fmt fuzz bench bench-smoke bench-correlate bench-policy chaos chaos-short ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the program into bin/
	$(GO) build -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/riposte

deps: build ## fetch what tests and `up` need, pinned and checked, into the cache
	@scripts/need go npm java mvn
	$(BIN) deps
	$(GO) run ./bench/kafka/install

up: build ## run the whole pipeline on embedded parts with sample traffic, until Ctrl-C
	$(BIN) up $(ARGS)

test: deps ## all tests, on real parts
	$(GO) test -tags invariants -timeout 30m ./...

test-kafka: deps ## the end-to-end tests on Apache Kafka; ARGS="-run Replay", -short, ...
	$(GO) run ./bench/kafka/with $(GO) test -tags invariants -p 1 -timeout 30m $(ARGS) ./pipeline/run ./bench/oracle ./cmd/riposte

race: deps ## the tests of everything concurrent under the race detector
	$(GO) test -race -short -timeout 30m ./pipeline ./pipeline/run/... ./sinks/... ./internal/...
	$(GO) test -race -timeout 30m -run 'Live|Reload|Share|Shadow|Concurrent|Goroutine' ./policies/engine

lint: ## golangci-lint, pinned in internal/tools
	@mkdir -p bin
	cd internal/tools && $(GO) build -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...

fmt: ## format the Go files
	gofmt -w $(shell git ls-files '*.go')

fuzz: ## every fuzz target for FUZZTIME (10s)
	@scripts/fuzz $(FUZZTIME)

bench: ## the numbers of DESIGN section 8 into bench/results
	$(GO) run ./bench/suite $(ARGS)

bench-smoke: ## every benchmark once, small
	$(GO) run ./bench/suite -smoke
	$(GO) run ./bench/correlate -smoke
	$(GO) test -run '^$$' -bench . -benchtime 1x ./pipeline/... ./policies/... ./sources/... ./sinks/...

bench-correlate: ## the correlate stage, ratios into bench/results
	$(GO) run ./bench/correlate $(ARGS)

bench-policy: ## the policy engine against OPA into bench/results
	$(GO) run ./bench/policy $(ARGS)

chaos: ## kill -9 for long: KILLS=n SEED=s BROKER=kfake|kafka|kafka3; other faults: VARIANT=name, VARIANT=list
	$(GO) run -tags crashpoints ./bench/chaos -kills $(KILLS) -seed $(SEED) -broker $(BROKER) -variant $(VARIANT) $(ARGS)

chaos-short: ## kills, broker errors and a damaged state, small: under five minutes
	$(GO) run -tags crashpoints ./bench/chaos -short -seed $(SEED)

ci: ## what every change must pass
	bash .ci/run

clean: ## remove what was built; the cache outside the tree stays
	rm -rf bin
