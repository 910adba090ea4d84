# Thin over meson. Every target installs what it lacks (Debian 12 and 13, Ubuntu 24.04).
BUILD ?= build
PREFIX ?= /usr/local
PYTHON := /usr/bin/python3
DATA ?= repoint-data
LISTEN ?= 127.0.0.1:5000
FUZZ_SECONDS ?= 60
KILLS ?= 2000

.PHONY: all build demo check conformance bench run install clean crash fuzz help
all: build

help:
	@echo "make           build          make check   install what tests need, run them all"
	@echo "make demo      the main job   make bench   beside other registries and nginx"
	@echo "make run       a server here  make fuzz    fuzz each parser FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make crash     kill a server under load KILLS=$(KILLS) times"
	@echo "make conformance  the distribution-spec's suites (needs Go 1.24)"
	@echo "make install   DESTDIR=, PREFIX=$(PREFIX)      make clean"

build:
	@scripts/install-deps build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) --prefix $(PREFIX) >/dev/null
	@ninja -C $(BUILD) --quiet

demo:
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory build
	@REPOINT_BIN=$(abspath $(BUILD))/src/repoint KEEP=$(KEEP) $(PYTHON) demo/run

check:
	@scripts/install-deps check
	@scripts/clients
	@$(PYTHON) tests/run $(ARGS)

conformance:
	@scripts/install-deps conformance
	@$(MAKE) --no-print-directory build
	@$(PYTHON) scripts/conformance --repoint $(BUILD)/src/repoint $(ARGS)

bench:
	@scripts/install-deps bench
	@scripts/clients distribution || echo 'going on without distribution v3'
	@test -f build-bench/build.ninja || meson setup build-bench --buildtype release >/dev/null
	@ninja -C build-bench --quiet
	@REPOINT_BIN=$(abspath build-bench)/src/repoint $(PYTHON) bench/run $(ARGS)

run: build
	@$(BUILD)/src/repoint serve --data $(DATA) --listen $(LISTEN)

install: build
	@meson install -C $(BUILD) --no-rebuild

fuzz:
	@scripts/install-deps check
	@$(PYTHON) tests/run --fuzz-seconds $(FUZZ_SECONDS)

crash:
	@scripts/install-deps check
	@$(PYTHON) tests/run --kills $(KILLS)

clean:
	@rm -rf $(BUILD) build-check build-bench build-fuzz build-conformance
