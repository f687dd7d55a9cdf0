# What there is to run. `make help` lists it. Tools are built from pinned versions into bin/, once.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_LINT  := v2.15.0
WORKFLOWCHECK  := v0.6.0
# The newest Compose that builds with the Go of go.mod.
COMPOSE        := v5.5.1
# The newest goreleaser that could be built here: later ones need a module that not every proxy has.
GORELEASER     := v2.16.0
CYCLONEDX      := v1.10.0

bin/golangci-lint := bin/golangci-lint-$(GOLANGCI_LINT)
bin/workflowcheck := bin/workflowcheck-$(WORKFLOWCHECK)
bin/compose       := bin/docker-compose-$(COMPOSE)
bin/goreleaser    := bin/goreleaser-$(GORELEASER)
bin/cyclonedx     := bin/tools/cyclonedx-gomod

# Packages with workflow code, and the package that registers it.
WORKFLOW_PACKAGES := ./workflows/... ./worker/...
FUZZTIME := 10s

.PHONY: help build check fmt vet lint workflowcheck test race e2e harness e2e-ipmi e2e-ssh e2e-ups e2e-iscsi e2e-browser shellcheck \
	storage-lab storage-lab-down storage-lab-status test-storage bench bench-storage fuzz histories compose man completions sbom packaging unit snapshot clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the command, into bin/nightshift (needs Go only)
	CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o bin/nightshift ./starter

check: fmt vet lint workflowcheck ## gofmt, go vet, golangci-lint, workflowcheck (builds the last two at first)

fmt: ## gofmt has nothing to say
	@files=$$(gofmt -l .); \
	if [ -n "$$files" ]; then echo "not gofmt'ed: gofmt -w" $$files >&2; exit 1; fi

vet: ## go vet, the end-to-end tests included
	go vet -tags e2e,browser,storagelab ./...

lint: $(bin/golangci-lint) ## golangci-lint with .golangci.yml: the layers among others
	$(bin/golangci-lint) run

shellcheck: ## shell scripts (Debian: apt install shellcheck)
	@command -v shellcheck >/dev/null || { echo "shellcheck is missing (Debian: apt install shellcheck)" >&2; exit 2; }
	shellcheck -x -P SCRIPTDIR .ci/run deploy/*/*.sh test/storagelab/*.sh test/storagelab/demo/*.sh test/storagelab/guest/personality test/storagelab/guest/prepare test/storagelab/guest/release-pool internal/storagesetup/*.sh internal/iscsi/lio.sh

workflowcheck: $(bin/workflowcheck) ## workflow code is deterministic
	$(bin/workflowcheck) -config .workflowcheck.yaml $(WORKFLOW_PACKAGES)

test: ## go test ./... (needs Go only)
	go test ./...

race: ## the same with the race detector (needs a C compiler)
	go test -race ./...

# Most of these tests wait for time-outs of processes that were killed: more at a time than there are cores.
e2e: harness ## the command against simulated labs: kill -9, restarts, secrets, and the harness (needs Go only; for less: NIGHTSHIFT_SEEDS=10 NIGHTSHIFT_LARGE=8/120)
	go test -tags e2e -count=1 -timeout 60m -parallel 6 ./test/e2e ./test/iscsi ./test/bench
	go test -tags e2e -count=1 -run TestToolsSayTheSame ./internal/vmfs

harness: ## every kind of step of every runbook, broken in every way; writes docs/harness.md (NIGHTSHIFT_SAMPLE=4: every fourth pair, no document)
	$(if $(NIGHTSHIFT_SAMPLE),,NIGHTSHIFT_TABLE=$(CURDIR)/docs/harness.md) go test -tags e2e -count=1 -timeout 90m -parallel 24 ./test/harness

e2e-ipmi: ## the IPMI client against OpenIPMI's ipmi_sim on loopback (Debian: apt install openipmi)
	@command -v ipmi_sim >/dev/null || { echo "ipmi_sim is missing (Debian: apt install openipmi)" >&2; exit 2; }
	go test -tags e2e -count=1 -run TestIPMISim ./internal/ipmi

e2e-ssh: ## commands over SSH against OpenSSH's sshd on loopback (Debian: apt install openssh-server)
	@PATH="$$PATH:/usr/sbin" command -v sshd >/dev/null || { echo "sshd is missing (Debian: apt install openssh-server)" >&2; exit 2; }
	go test -tags e2e -count=1 -run TestOpenSSH ./internal/sshexec

e2e-ups: ## power cuts: the command, a simulated lab, and NUT's upsd with dummy-ups on loopback (Debian: apt install nut-server)
	@PATH="$$PATH:/usr/sbin" command -v upsd >/dev/null || { echo "upsd is missing (Debian: apt install nut-server)" >&2; exit 2; }
	go test -tags e2e -count=1 -timeout 20m ./test/ups

e2e-iscsi: ## targets on loopback: identity, LUN, CHAP, ACL with tgtd and libiscsi (Debian: apt install tgt libiscsi-bin); as root
	@for c in tgtd iscsi-inq; do \
		PATH="$$PATH:/usr/sbin" command -v $$c >/dev/null || { echo "$$c is missing (Debian: apt install tgt libiscsi-bin)" >&2; exit 2; }; \
	done
	go test -tags e2e -count=1 -timeout 10m ./test/iscsi

storage-lab: ## two QEMU machines with OpenZFS, LIO, open-iscsi: built from Debian packages at first, as root (docs/storage-lab.md)
	test/storagelab/lab.sh up

storage-lab-down: ## end them, with their disks and keys; the image stays
	test/storagelab/lab.sh down

storage-lab-status: ## what of the storage lab is up, and how to reach it
	@test/storagelab/lab.sh status

test-storage: ## the tests on the storage lab, which must be up (NIGHTSHIFT_CORE=1: without the long ones; NIGHTSHIFT_SEEDS=5: for less)
	go test -tags storagelab -count=1 -timeout $(or $(NIGHTSHIFT_STORAGE_TIMEOUT),150m) $(if $(NIGHTSHIFT_CORE),-short) ./test/storagelab/...

bench-storage: ## what replication costs on the storage lab, which must be up and quiet, into docs/performance.md
	NIGHTSHIFT_BENCH_OUT="$(CURDIR)/docs/performance.md" go test -tags storagelab -run '^$$' -bench . -benchtime 1x -timeout 3h ./test/storagelab

# Browsers are not downloaded: Debian's is used, or that of CHROMIUM. NIGHTSHIFT_SHOTS=DIR keeps the pictures.
e2e-browser: ## reports and the Temporal UI in a real browser (Debian: apt install chromium nodejs npm)
	@for c in node npm "$${CHROMIUM:-chromium}"; do \
		command -v "$$c" >/dev/null || { echo "$$c is missing (Debian: apt install chromium nodejs npm)" >&2; exit 2; }; \
	done
	cd test/browser && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
	CHROMIUM="$$(command -v "$${CHROMIUM:-chromium}")" go test -tags e2e,browser -count=1 -timeout 20m -run '^TestBrowser$$' -v ./test/e2e

bench: build ## what it costs, into docs/performance.md: a quarter of an hour on a quiet machine (BENCH_FULL=1: real pace, hours)
	go run ./test/bench -nightshift bin/nightshift -out docs/performance.md

# Some 20 minutes on two cores, a third of it for compiling with what guides fuzzing. No fuzz test may import the engine: that never ends.
fuzz: ## every fuzz test for FUZZTIME (10s) each
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "$$(dirname "$$file") $$name"; \
			go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x "$$(dirname "$$file")"; \
		done; \
	done

histories: ## record the histories of VERSION (VERSION=v0.2.0) for replay: before each release; RUN=TestX: only those of a test
	@[[ "$(VERSION)" =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] || { echo "say which: make histories VERSION=v0.2.0" >&2; exit 2; }
	NIGHTSHIFT_RECORD=$(VERSION) go test -count=1 -timeout 20m -run '$(or $(RUN),.)' ./worker

# Compose itself, not a parser of its format: it also knows what it does not support. It needs no engine for this.
compose: $(bin/compose) ## docker-compose.yml is what Compose accepts (builds Compose at first)
	$(bin/compose) --file docker-compose.yml config --quiet

man: ## manual pages, compressed, into dist-extra/man
	rm -rf dist-extra/man
	go run ./starter man dist-extra/man
	gzip -9n dist-extra/man/*.1

completions: ## completions for bash, zsh and fish, into dist-extra/completions
	mkdir -p dist-extra/completions
	for shell in bash zsh fish; do go run ./starter completion $$shell > dist-extra/completions/nightshift.$$shell; done

sbom: build $(bin/cyclonedx) ## what the command is made of, as CycloneDX, into dist-extra/nightshift.cdx.json
	mkdir -p dist-extra
	$(bin/cyclonedx) bin -json -licenses -output dist-extra/nightshift.cdx.json bin/nightshift

packaging: unit $(bin/goreleaser) ## the release's configuration and the systemd unit are valid (builds goreleaser at first)
	$(bin/goreleaser) check

unit: ## the systemd unit is valid
	@command -v systemd-analyze >/dev/null || { echo "systemd-analyze is missing (Debian: apt install systemd)" >&2; exit 2; }
	@# the command is not installed here: the unit is looked at with one that is
	dir=$$(mktemp -d) && sed 's#^ExecStart=.*#ExecStart=/bin/true#; /^Documentation/d' deploy/systemd/nightshift.service > $$dir/nightshift.service && \
		systemd-analyze verify $$dir/nightshift.service; status=$$?; rm -rf $$dir; exit $$status

snapshot: $(bin/goreleaser) $(bin/cyclonedx) ## the whole release into dist/, without publishing and without the image (an hour of compiling, cold)
	PATH="$(CURDIR)/bin/tools:$$PATH" $(bin/goreleaser) release --snapshot --clean --skip=docker --timeout 3h

clean: ## remove bin/ and what was made for packages
	rm -rf bin dist dist-extra

# -- tools ------------------------------------------------------------------------------------------------------------

$(bin/golangci-lint):
	@echo "building golangci-lint $(GOLANGCI_LINT) (some minutes, once)"
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	mv bin/golangci-lint $@

$(bin/workflowcheck):
	GOBIN=$(CURDIR)/bin go install go.temporal.io/sdk/contrib/tools/workflowcheck@$(WORKFLOWCHECK)
	mv bin/workflowcheck $@

# Compose's go.mod excludes versions, with which `go install` refuses it: built in the module's own directory instead,
# with the versions and checksums of its go.sum.
$(bin/compose):
	@echo "building Compose $(COMPOSE) (a minute or two, once)"
	dir=$$(go mod download -json github.com/docker/compose/v5@$(COMPOSE) | sed -nE 's/^\s*"Dir": "(.*)",?$$/\1/p'); \
	cd "$$dir" && go build -mod=readonly -ldflags="-X github.com/docker/compose/v5/internal.Version=$(COMPOSE)" -o $(CURDIR)/$@ ./cmd

$(bin/goreleaser):
	@echo "building goreleaser $(GORELEASER) (some minutes, once)"
	GOBIN=$(CURDIR)/bin go install github.com/goreleaser/goreleaser/v2@$(GORELEASER)
	mv bin/goreleaser $@

# Built in the module's own directory: `go install` also asks for the list of its versions, which not every proxy has.
$(bin/cyclonedx):
	dir=$$(go mod download -json github.com/CycloneDX/cyclonedx-gomod@$(CYCLONEDX) | sed -nE 's/^\s*"Dir": "(.*)",?$$/\1/p'); \
	cd "$$dir" && go build -mod=readonly -o $(CURDIR)/$@ ./cmd/cyclonedx-gomod
