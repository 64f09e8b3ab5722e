# `make help` lists the targets. Only Go is needed; what a test finds missing, it skips with its name.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PREFIX   ?= /usr/local
FUZZTIME ?= 30s
SHARE     = $(DESTDIR)$(PREFIX)/share

# Other systems that the code must compile for: 32 bits, another machine, and a Unix that is not Linux.
CROSS    := linux/386 linux/arm64 darwin/arm64
# Its cache remembers paths, so each checkout has its own.
GOLANGCI := GOLANGCI_LINT_CACHE=$(CURDIR)/dist/lint go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2

.PHONY: help build test lint fuzz bench e2e programs install

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | expand -t 10

build: ## build ./harvest
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o harvest ./cmd/harvest

test: ## run all tests
	go test -timeout 15m ./...

lint: ## check format, vet on every system, go.mod, golangci-lint, shellcheck
	@files=$$(gofmt -s -l .); if [[ $$files ]]; then echo "not formatted:" $$files; exit 1; fi
	go vet ./...
	@for system in $(CROSS); do \
		echo "go vet ./... for $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./...; \
	done
	go mod tidy -diff
	$(GOLANGCI) run
	@if command -v shellcheck >/dev/null; then \
		grep -rlE --exclude='*.go' --exclude='*.txtar' '^#!.*sh$$' .ci scripts | xargs -t shellcheck; \
	else \
		echo "shellcheck is not installed: skipped"; \
	fi

fuzz: ## run every fuzz target for FUZZTIME (30s)
	@targets=$$(go test -list '^Fuzz' ./...); \
	awk '/^Fuzz/ { names[++n] = $$1 } \
	     /^ok/   { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' <<<"$$targets" | \
	while read -r package name; do \
		echo "fuzzing $$name for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

bench: ## run the Go benchmarks, then compare with other tools
	go test -run '^$$' -bench . -benchmem ./...
	go run ./scripts/bench

e2e: ## load and run images in real engines (scripts/consumers installs them)
	go test -count=1 -v ./scripts/e2e

programs: ## build and check images of real programs, as root; writes docs/programs.md
	go run ./scripts/programs -doc docs/programs.md

install: build ## install program, man pages and completions below DESTDIR and PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
		$(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install -m 755 harvest $(DESTDIR)$(PREFIX)/bin/harvest
	install -m 644 docs/man/*.1 $(SHARE)/man/man1
	./harvest completion bash >$(SHARE)/bash-completion/completions/harvest
	./harvest completion zsh >$(SHARE)/zsh/site-functions/_harvest
	./harvest completion fish >$(SHARE)/fish/vendor_completions.d/harvest.fish
