# Everything that people and CI run. Arguments: make demo ARGS="--port 7000", make bench ARGS="--only get-p1".
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
PACKAGES    := ./... ./testdata/lab ./testdata/bench ./testdata/benchmigrate ./testdata/chaos ./testdata/chaos/trial ./testdata/chaos/wire
FUZZTIME    ?= 20s
ARGS        ?=

SERVERS     ?= redis-6.0 redis-8.0 valkey-8.0 valkey-8.1

.PHONY: build demo test race compat fuzz bench bench-migrate chaos lint fmt deps test-deps generate

build: ## bin/codis
	go build -ldflags "-X main.version=$(VERSION)" -o bin/codis .

demo: build deps ## three nodes, two groups of a master and a replica, in the foreground
	./bin/codis demo $(ARGS)

test: test-deps ## all tests, against real redis-servers
	go test -timeout 15m $(ARGS) $(PACKAGES)

race: test-deps ## all tests under the race detector
	go test -race -timeout 25m $(ARGS) $(PACKAGES)

compat: test-deps ## all tests against other servers: SERVERS="valkey-8.1"
	testdata/servers.sh bin/servers $(SERVERS)
	@set -e; for name in $(SERVERS); do echo "== $$name"; \
		PATH="$(CURDIR)/bin/servers/$$name:$$PATH" go test -timeout 15m $(ARGS) $(PACKAGES); done

fuzz: deps ## every fuzz target for FUZZTIME
	@set -e; for pkg in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
		echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; done; done

bench: build ## direct redis-server, twemproxy and codis side by side
	testdata/install.sh redis-server redis-benchmark nutcracker
	go run ./testdata/bench --codis bin/codis $(ARGS)

bench-migrate: build deps ## moving 200,000 keys, beside a plain loop of MIGRATE
	go run ./testdata/benchmigrate --codis bin/codis $(ARGS)

chaos: build deps ## slots move and masters change while everything fails, under a recorded load: ARGS="-duration 10m -seed 7 -v"
	go run ./testdata/chaos -codis bin/codis $(ARGS)

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "not formatted: run make fmt"; exit 1; }
	go vet $(PACKAGES)
	$(STATICCHECK) $(PACKAGES)

fmt:
	gofmt -w .

deps: ## what the demo needs beside Go
	testdata/install.sh redis-server redis-cli redis-benchmark

test-deps: deps ## and what the tests need: a browser is large
	testdata/install.sh promtool chromium

generate: deps ## the command table, from a real server
	go generate ./...
