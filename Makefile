# havre: one Pulumi program in Go for a company's platform on OVHcloud bare metal. `make` alone lists what there is.
#
# Nothing is asserted by a clock here, and nothing is downloaded but modules and Debian packages. Everything made lies under bin/, build/ and the
# cache folder (XDG_CACHE_HOME/havre, or ~/.cache/havre).
#
# One set of flags for everything, the same as for the binaries: what a test has compiled the program need not compile again.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false
GO ?= go
STACK ?= local

.DEFAULT_GOAL := help
.PHONY: help up down preview build check lint machine test cilium faults bench load drills clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

bin/havre: FORCE
	@$(GO) build -trimpath -ldflags '-s -w' -o $@ ./infra/cmd/havre

FORCE:

up: bin/havre ## from nothing to a served picture: builds what is missing, starts the sandbox, pulumi up on stack local (root)
	@bin/havre up

down: bin/havre ## takes the sandbox away: hosts, networks, mounts, processes, kernel settings (root)
	@bin/havre down

preview: bin/havre ## what pulumi would do: make preview STACK=prod|staging|load-test|local (no root)
	@bin/havre preview $(STACK)

build: bin/havre ## the tools and binaries that everything else needs
	@bin/havre build

lint: bin/havre
	@$$(bin/havre tools build golangci-lint) run ./...

check: bin/havre lint ## build, vet, lint, unit, golden and graph tests: offline, no root
	$(GO) build ./...
	$(GO) vet ./...
	$(GO) vet -tags e2e,faults,sandbox,cilium ./infra/test/... ./infra/sandbox/...
	$(GO) test ./...
	$(GO) -C infra/tools/modules/caddy test ./...

machine: bin/havre
	@bin/havre machine

test: machine check build ## make check, then the whole platform on real hosts, end to end (root)
	$(GO) run ./infra/cmd/faults --sample
	$(GO) test -tags e2e -count=1 -timeout 10m -v -run TestStagingIsScrubbed ./infra/test/ovhmetal
	$(GO) test -tags e2e -count=1 -timeout 10m ./infra/sandbox/postgres
	$(GO) test -tags e2e -count=1 -timeout 30m -v ./infra/test/database
	$(GO) test -tags e2e -count=1 -timeout 15m -v ./infra/test/loadtest
	$(GO) test -tags e2e -count=1 -timeout 10m -v ./infra/test/drift
	$(GO) test -tags e2e -count=1 -timeout 10m -v ./infra/test/edge
	$(GO) test -tags e2e -count=1 -timeout 10m -v ./infra/test/etcd
	$(GO) test -tags e2e -count=1 -timeout 60m -v ./infra/test/e2e

cilium: machine build ## stack local with production's pod network: pictures, full-size packets, Services, policies; builds Cilium once (root)
	$(GO) test -tags e2e,cilium -count=1 -timeout 60m -v -run TestCilium ./infra/test/e2e

faults: build ## every fault at every call of an order's life, and pulumi killed at random: nothing bought twice, nothing lost
	@$(GO) run ./infra/cmd/faults

bench: bin/havre build ## where the time goes, this program beside Ansible, how previews grow, as tables; figures in build/bench.json (root for most)
	@$(GO) run ./infra/cmd/bench

load: bin/havre ## what readers meet in a burst and in a rolling update, on the running sandbox; figures in build/load.json
	@$(GO) run ./infra/cmd/bench --load

drills: bin/havre ## brings a sandbox up with the Kubernetes before ours, upgrades it and breaks it on purpose under steady traffic; figures in build/drills.json (root)
	@bin/havre up --previous
	@bin/havre drill all

clean: down ## removes bin/ and build/; the cache stays
	rm -rf bin build
