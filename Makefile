# drc: `make demo` and `make test` do all of their set-up, on a bare Debian 12 too.
#   all (default) the program, build/drc       install   PREFIX, DESTDIR
#   demo     the main job on the embedded sandbox, files under build/demo/
#   test     unit tests, golden cases, end to end in the sandbox
#   sim      simulated days, SEEDS=10000       mutants  the engine broken on purpose
#   interop  against moto, boto3 and the AWS CLI           bench    figures, as ratios
#   sweep    crashes at every moment of every workflow (STRIDE=N: every Nth)
#   lint  sanitize  valgrind  fuzz  format  golden-update  deps  clean

BUILD   ?= build
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
# What sanitizers and fuzzers are built with (as CC, it may be "ccache clang").
CLANG   ?= clang
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
# Sanitizers and the like: make BUILD=build/asan SANITIZE=address,undefined
SANITIZE ?=

PACKAGES := yaml-0.1 libcurl libcrypto libcjson libxml-2.0 libcgraph libpcre2-8 libuv sqlite3 \
            libmicrohttpd libutf8proc libzstd libnbd zlib ldns
CACHE    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/drc
VENV      = $(CACHE)/venv-$(shell sha256sum tests/requirements.txt | cut -c1-12)
# Most of these tests wait for something, so there may be more of them at once than cores. What a test that
# passed wrote goes with it: some write gigabytes. Where everything fails, the first ones tell why.
PYTEST    = $(VENV)/bin/pytest -q -rs -p no:cacheprovider -n $(WORKERS) --dist worksteal \
            -o tmp_path_retention_policy=failed --maxfail=25
WORKERS  ?= 4
VERSION  := $(shell cat VERSION)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wundef -Wvla
# Hardening, on by default (make HARDEN= does without): checked copies, stack protector, addresses at
# random, symbols bound and made read-only at the start. Sanitizers bring checks of their own.
HARDEN         ?= $(if $(SANITIZE),,yes)
HARDEN_CFLAGS   = $(if $(HARDEN),-fstack-protector-strong -fPIE $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
HARDEN_LDFLAGS  = $(if $(HARDEN),-pie -Wl$(comma)-z$(comma)relro -Wl$(comma)-z$(comma)now -Wl$(comma)-z$(comma)noexecstack)
comma          := ,
# Asked only when something is compiled, because `make deps` may have to install pkg-config first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DDRC_VERSION='"$(VERSION)"' -I. $(WARNINGS) $(HARDEN_CFLAGS) $(CFLAGS) \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer) \
             $(PKG_CFLAGS) -pthread
ALL_LDLIBS = $(PKG_LIBS) -lm -pthread
ALL_LDFLAGS = $(HARDEN_LDFLAGS) $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))

COMPILER_SOURCES := $(sort $(shell find compiler -name '*.c'))
RUNTIME_SOURCES  := $(sort $(shell find runtime -name '*.c' ! -path 'runtime/cli/*'))
CLI_SOURCES      := $(sort $(wildcard runtime/cli/*.c))
SCHEMAS          := $(sort $(wildcard schemas/*.json schemas/*.sql))
UNIT_SOURCES     := $(sort $(shell find tests/unit -name 'test_*.c'))
UNIT_HELPERS     := $(sort $(wildcard tests/unit/support/*.c))

object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
COMPILER_OBJECTS := $(call object,$(COMPILER_SOURCES)) $(BUILD)/obj/schemas.o
RUNTIME_OBJECTS  := $(call object,$(RUNTIME_SOURCES))
LIBRARIES        := $(BUILD)/libdrc-runtime.a $(BUILD)/libdrc-compiler.a
UNIT_PROGRAMS    := $(patsubst %.c,$(BUILD)/%,$(UNIT_SOURCES))

.PHONY: all libs venv deps deps-test demo test unit golden golden-update e2e interop bench sweep lint format \
        sanitize valgrind fuzz man docs docs-check install clean deps-lint deps-interop
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/drc
libs: $(LIBRARIES)

deps:
	@tools/deps build

deps-test:
	@tools/deps build test

deps-interop:
	@tools/deps build test interop

# make V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Schemas are embedded as embedded_NAME[] (compiler/base/embedded.h), a NUL behind each.
$(BUILD)/obj/schemas.o: tools/embed $(SCHEMAS)
	@mkdir -p $(@D)
	tools/embed $(SCHEMAS) > $(BUILD)/obj/schemas.S
	$(CC) -c $(BUILD)/obj/schemas.S -o $@

$(BUILD)/libdrc-compiler.a: $(COMPILER_OBJECTS)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libdrc-runtime.a: $(RUNTIME_OBJECTS)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/drc: $(call object,$(CLI_SOURCES)) $(LIBRARIES)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(call object,$(CLI_SOURCES)) $(LIBRARIES) $(ALL_LDLIBS) -o $@

# The command line's parts, for their unit tests: an archive, of which each takes what it needs.
CLI_PARTS := $(BUILD)/libdrc-cli.a
$(CLI_PARTS): $(filter-out %/main.o,$(call object,$(CLI_SOURCES)))
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(call object,$(UNIT_HELPERS)) $(CLI_PARTS) $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< $(call object,$(UNIT_HELPERS)) $(CLI_PARTS) $(LIBRARIES) $(ALL_LDLIBS) -lcmocka -o $@

unit: $(UNIT_PROGRAMS)
	@tools/run-unit $(UNIT_PROGRAMS)

test: deps-test venv all unit golden e2e docs-check

# Every folder under tests/golden; tests/golden/run finds them itself.
golden: all
	tests/golden/run $(BUILD)/drc

golden-update: all
	tests/golden/run --update $(BUILD)/drc

# The program as its users call it: on the embedded sandbox, examples, documentation, bad input.
e2e: all venv
	DRC=$(abspath $(BUILD)/drc) $(PYTEST) tests/e2e

INTEROP_DRIVERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/interop/*.c))
interop: deps-interop venv all $(INTEROP_DRIVERS) $(BUILD)/tests/unit/runtime/world/test_store
	DRC=$(abspath $(BUILD)/drc) BUILD=$(abspath $(BUILD)) \
	    $(PYTEST) tests/interop

$(BUILD)/tests/interop/%: $(BUILD)/obj/tests/interop/%.o $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< $(LIBRARIES) $(ALL_LDLIBS) -o $@

# Memory as drc has it.
$(BUILD)/tests/bench/bench_copy_drc: $(BUILD)/obj/runtime/cli/memory.o
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(filter %.o,$^) $(LIBRARIES) $(ALL_LDLIBS) -o $@

# Seeds, each a whole run with its faults, on a virtual clock; witnesses apart from the executor watch.
# One again, told in full: build/tests/sim/sim --seed N
SEEDS     ?= 10000
SIM_FROM  ?= 1
SIM       := $(BUILD)/tests/sim/sim
SIM_OBJECTS := $(call object,$(sort $(wildcard tests/sim/*.c)))
$(SIM): $(SIM_OBJECTS) $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(SIM_OBJECTS) $(LIBRARIES) $(ALL_LDLIBS) -o $@

sim: deps $(SIM)
	$(SIM) --from $(SIM_FROM) --seeds $(SEEDS) --jobs 2 --twice 50

# The engine broken on purpose, in one way each; the witnesses have to see it. MUTANTS=NAME for one.
mutants: deps $(SIM)
	@COMPILE='$(CC) $(ALL_CFLAGS)' LINK_FIRST='$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(SIM_OBJECTS)' \
	    LINK_LAST='$(LIBRARIES) $(ALL_LDLIBS)' BUILD=$(BUILD) MUTANTS='$(MUTANTS)' tests/sim/mutants/run

BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/bench_*.c)))
bench: deps-interop venv all $(BENCH_PROGRAMS)
	@tools/deps bench
	DRC=$(abspath $(BUILD)/drc) BUILD=$(abspath $(BUILD)) PYTHON=$(VENV)/bin/python tests/bench/run

# Killed, without disk, without memory at every moment (tests/sweep/run): STRIDE=N takes every Nth.
STRIDE ?= 1
SWEEP_SHIM := $(BUILD)/tests/sweep/shim.so
$(SWEEP_SHIM): tests/sweep/shim.c
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -g -shared -fPIC $< -o $@ -pthread

$(BUILD)/tests/sweep/%: $(BUILD)/obj/tests/sweep/%.o $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< $(LIBRARIES) $(ALL_LDLIBS) -o $@

SWEEP_REHEARSED := $(BUILD)/tests/sweep/sweep_rehearsed
sweep: deps all $(SWEEP_SHIM) $(SWEEP_REHEARSED)
	DRC=$(abspath $(BUILD)/drc) SWEEP_SHIM=$(abspath $(SWEEP_SHIM)) \
	    SWEEP_REHEARSED=$(abspath $(SWEEP_REHEARSED)) tests/sweep/run --stride $(STRIDE)

demo: deps all
	tools/demo $(BUILD)/drc $(BUILD)/demo

# Style limits and include rules (tools/tidy), then the analysers.
lint: deps-lint
	tools/tidy
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppressions-list=.cppcheck-suppressions --error-exitcode=1 -j2 \
	    --include=/usr/include/utlist.h -D_GNU_SOURCE -DDRC_VERSION='"x"' -I. compiler runtime
	@mkdir -p $(BUILD)
	printf '%s\n' $(COMPILER_SOURCES) $(RUNTIME_SOURCES) $(CLI_SOURCES) | \
	    xargs -P2 -n6 tools/run-clang-tidy -std=c11 -D_GNU_SOURCE -DDRC_VERSION='"x"' -I. $(PKG_CFLAGS) --

deps-lint:
	@tools/deps build test lint

format: deps-lint
	clang-format -i $$(git ls-files '*.c' '*.h')

sanitize: deps-lint venv
	$(MAKE) BUILD=build/sanitize CC='$(CLANG)' SANITIZE=address,undefined CFLAGS='-O1 -g' all unit golden e2e

# One thread of work: valgrind (3.19) lets nobody else run while one waits in F_OFD_SETLKW, so that
# two threads at a state's lock would wait for ever.
valgrind: deps-lint
	UV_THREADPOOL_SIZE=1 RUNNER='valgrind -q --child-silent-after-fork=yes --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
	    $(MAKE) BUILD=build/valgrind CFLAGS='-O1 -g' unit

# Every tests/fuzz/fuzz_*.c with libFuzzer, FUZZ_SECONDS each; seeds are the real answers of the sandbox.
FUZZ_SECONDS  ?= 20
FUZZ_SOURCES  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzz: deps-lint all
	$(MAKE) BUILD=build/fuzz CC='$(CLANG)' SANITIZE=address,undefined,fuzzer-no-link CFLAGS='-O1 -g' \
	    FUZZING=1 $(patsubst %.c,build/fuzz/%,$(FUZZ_SOURCES))
	tools/run-fuzz $(FUZZ_SECONDS) $(patsubst %.c,build/fuzz/%,$(FUZZ_SOURCES))

ifdef FUZZING
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(LIBRARIES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer,address,undefined $< $(LIBRARIES) $(ALL_LDLIBS) -o $@
endif

# The pages of docs/ that come from tables of the program.
$(BUILD)/tools/reference: $(BUILD)/obj/tools/reference.o $(filter-out %/main.o,$(call object,$(CLI_SOURCES))) $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(ALL_LDLIBS) -o $@

docs: $(BUILD)/tools/reference all
	@mkdir -p docs/reference docs/man docs/images
	for page in $$($<); do $< $$page > docs/$$page || exit 1; done
	$(BUILD)/drc plan graph plans/erp failover --detail vm --format svg -o docs/images/erp-vms.svg
	$(BUILD)/drc plan graph plans/webshop failover --format svg -o docs/images/webshop.svg

# Every command that the documentation shows, and the generated pages.
docs-check: all man $(BUILD)/tools/reference
	tests/docs/run $(BUILD)/drc $(BUILD)/tools/reference

# Man pages (scdoc) and completions go with the program.
MAN_SOURCES := $(wildcard docs/man/*.scd)
man: $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(MAN_SOURCES))
$(BUILD)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	scdoc < $< > $@

install: all man
	install -Dm755 $(BUILD)/drc $(DESTDIR)$(PREFIX)/bin/drc
	for page in $(BUILD)/man/*; do \
	    install -Dm644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	install -d -m755 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/drc completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/drc
	$(BUILD)/drc completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_drc
	$(BUILD)/drc completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/drc.fish
	chmod 644 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/drc \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_drc \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/drc.fish

# Python's part of the tests, cached by the list of what it needs.
venv: deps-test $(VENV)/.ready
$(VENV)/.ready:
	@mkdir -p $(CACHE)
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
	@touch $@

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
