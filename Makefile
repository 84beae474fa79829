# make                     build/lua5.4/ebpf/core.so         make LUA=luajit   for that one
# make all-luas            for every Lua whose headers are here
# eval "$(make -s env)"    put it and lua/ on LUA_PATH and LUA_CPATH
# make install             PREFIX, DESTDIR, INST_LIBDIR, INST_LUADIR
# make demo                the egress firewall, in a VM      KERNEL=6.12
# make test                the specs, in VMs                 KERNEL=6.12 LUA=luajit SPEC=spec/link_spec.lua
# make test-host           the specs on this kernel (root)   LUA=, SPEC=
# make soak                1,000,000 random steps a hook     KERNEL= (else this kernel, root), LUA=, SEED=, STEPS=
# make valgrind            the same under valgrind           SPEC=
# make bench               against C on libbpf (root)        KERNEL=6.12 ROW=link_update ROUNDS=30 COUNT=1000000
# make bench-profile       where its time goes, by perf (root) ROW=link_update
# make bench-callgrind     instructions a call (root)        RECORD=1 ROW=link_update
# make fuzz                codecs and options, 10 minutes    FUZZ_SECONDS=
# make types               10,000 random C types, by C and Lua    SEED=
# make shell               a prompt in the VM                KERNEL=6.12
# make update-kernels      look for newer kernels than the cached ones
# make features-table      what each kernel offers, in README.md, from lua/ebpf/features.lua
# make lint doc clean
#
# Each target installs the packages it lacks, or says how to; DEPS=: leaves them alone.

PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
DEPS   ?= spec/vm/deps

luas := lua5.1 lua5.2 lua5.3 lua5.4 lua5.5 luajit
lua   = $(or $(firstword $(LUA)),lua5.4)
abi   = $(if $(filter luajit,$(lua)),5.1,$(lua:lua%=%))

INST_LIBDIR ?= $(PREFIX)/lib/lua/$(abi)
INST_LUADIR ?= $(PREFIX)/share/lua/$(abi)

out     = build/$(lua)
so      = $(out)/ebpf/core.so
objects = $(patsubst csrc/%.c,$(out)/%.o,$(wildcard csrc/*.c))
headers = $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell pkg-config --cflags $(lua)))
flags   = -std=gnu11 -fPIC -fno-plt -fvisibility=hidden -Wall -Wextra -Werror -MMD

build: $(so) ; @:

# -z nodelete: libbpf calls back into us, so a closed Lua state must not unmap us. No -llua: the
# interpreter brings it, and nginx brings another than we would.
$(so): $(objects)
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS) -Wl,-z,nodelete -o $@ $^ -lbpf -lpthread

$(out)/%.o: csrc/%.c | needs-build
	@mkdir -p $(@D)
	$(CC) $(flags) $(CFLAGS) $(headers) -c -o $@ $<

-include $(objects:.o=.d)

all-luas: | needs-build
	@for lua in $(luas); do \
	    ! pkg-config --exists $$lua || $(MAKE) --no-print-directory LUA=$$lua build || exit 1; \
	done

env:
	@echo "export LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;'"
	@echo "export LUA_CPATH='$(CURDIR)/$(out)/?.so;;'"

install: $(so)
	install -d $(DESTDIR)$(INST_LIBDIR)/ebpf
	install -m 755 $(so) $(DESTDIR)$(INST_LIBDIR)/ebpf/core.so
	for file in $$(cd lua && find . -name '*.lua'); do \
	    install -D -m 644 lua/$$file $(DESTDIR)$(INST_LUADIR)/$$file || exit 1; \
	done

# BPF C, for the examples and the specs.

multiarch = $(shell $(CC) -print-multiarch)
# Whose registers a probe is given: libbpf's name for it, as x86 of x86_64-linux-gnu.
bpf-arch  = $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(firstword $(subst -, ,$(multiarch)))))

bpf = $(patsubst %.c,build/%.o,$(wildcard examples/*/*.bpf.c spec/support/*.bpf.c bench/*.bpf.c))

bpf: $(bpf) ; @:

# Random C types: their BTF, and a program that writes values of them. TYPES= draws others.
layouts = build/spec/support/layouts

# What the specs run that is no Lua.
support: $(addprefix build/spec/support/,userns stranger usdt usdt.pie) $(out)/scarce.so $(out)/descriptors.so $(layouts)/layouts \
         $(layouts)/layouts.bpf.o ; @:

# Before 5.15 libbpf must know where in memory a probe is: so once as a program that lies where it is linked.
build/spec/support/usdt:     placed = -fno-pie -no-pie
build/spec/support/usdt.pie: placed = -fpie -pie

build-support = $(CC) -std=gnu11 -Wall -Wextra -Werror $(CFLAGS) $(placed) -o $@ $< -lbpf

$(layouts)/layouts.c: spec/support/layouts.lua $(if $(TYPES),FORCE)
	@mkdir -p $(@D)
	$(lua) $< $(@D) $(or $(TYPES),1)

$(layouts)/layouts: $(layouts)/layouts.c | needs-build
	$(CC) -O1 -w -Wno-packed-bitfield-compat -o $@ $<

$(layouts)/layouts.bpf.o: $(layouts)/layouts.c | needs-bpf
	clang -target bpf -g -w -I/usr/include/$(multiarch) -c -o $@ $(@D)/layouts.bpf.c

build/spec/support/%: spec/support/%.c | needs-build
	@mkdir -p $(@D)
	$(build-support)

build/spec/support/%.pie: spec/support/%.c | needs-build
	@mkdir -p $(@D)
	$(build-support)

build/%.bpf.o: %.bpf.c | needs-bpf
	@mkdir -p $(@D)
	clang -target bpf -O2 -g -Wall -Werror -I/usr/include/$(multiarch) -D__TARGET_ARCH_$(bpf-arch) -c -o $@ $<

$(out)/scarce.so $(out)/descriptors.so: $(out)/%.so: spec/support/%.c | needs-build
	@mkdir -p $(@D)
	$(CC) $(flags) $(CFLAGS) $(headers) -fvisibility=default -shared -Wl,-z,nodelete -o $@ $<

# What runs: in the VM unless it says host.

tested = $(or $(LUA),lua5.4 luajit)
# LuaJIT's build is for nginx, whatever runs the specs; the rock is made here because a VM without KVM takes 40 s for it.
build-tested = for lua in $(1) luajit; do $(MAKE) --no-print-directory LUA=$$lua build bpf support || exit 1; done; \
    for lua in $(1); do spec/support/rock $$lua build/$$lua/rock || exit 1; done

test: | needs-test needs-vm
	@$(call build-tested,$(tested))
	@spec/vm/test

test-host: | needs-test
	@$(call build-tested,$(tested))
	@spec/vm/host

# On a device each change waits for a grace period, 15 ms on a machine of several CPUs: ten minutes of that; all in a VM.
soak: export EBPF_WALK_STEPS = $(or $(STEPS),1000000)
soak: export EBPF_WALK_SECONDS = 600
soak: export EBPF_WALK_SEED = $(SEED)
soak: export SPEC = spec/walker_spec.lua
soak: export LUA := $(or $(LUA),luajit)
soak: export TIMEOUT := $(or $(TIMEOUT),36000)
soak: $(if $(KERNEL),test,test-host) ; @:

valgrind: | needs-test needs-valgrind
	@$(call build-tested,lua5.4)
	@spec/vm/memcheck

# Both interpreters, and the same in C.
build/bench/libbpf: $(filter-out %.bpf.c,$(wildcard bench/*.c)) bench/bench.h | needs-build
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -Werror $(CFLAGS) -o $@ $(filter %.c,$^) -lbpf

bench: build/bench/libbpf build/bench/bench.bpf.o | needs-bench $(if $(KERNEL),needs-vm)
	@for lua in lua5.4 luajit; do $(MAKE) --no-print-directory LUA=$$lua build || exit 1; done
	@TIMEOUT=7200 $(if $(KERNEL),MEMORY=2048 spec/vm/run $(KERNEL)) env TIMEOUT=7200 ROUNDS=$(ROUNDS) COUNT=$(COUNT) \
	    WRITE=$(if $(KERNEL),,yes) spec/vm/apart bench/run $(ROW)

bench-profile: build/bench/libbpf build/bench/bench.bpf.o | needs-bench needs-profile
	@for lua in lua5.4 luajit; do $(MAKE) --no-print-directory LUA=$$lua build || exit 1; done
	@TIMEOUT=1800 WRITE=yes spec/vm/apart bench/profile $(ROW)

# Instructions do not depend on the machine.
bench-callgrind: | needs-bench needs-valgrind
	@$(MAKE) --no-print-directory LUA=lua5.4 build
	@spec/vm/apart bench/callgrind $(if $(RECORD),--record) $(ROW)

# BTF of strangers, values and options of users: nothing may read or write where it should not. Both at a time.
fuzzed  = $(addprefix csrc/,address.c codec.c codec_check.c codec_push.c codec_scalar.c layout.c layout_kernel.c \
          layout_tree.c numbers.c)
fuzzing = -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

build/fuzz/%: spec/fuzz/%.c spec/fuzz/lua.h $(fuzzed) $(wildcard csrc/*.h) | needs-fuzz
	@mkdir -p $(@D)
	clang -std=gnu11 -Wall -Wextra -Werror $(fuzzing) $(shell pkg-config --cflags lua5.4) -o $@ $< $(fuzzed) \
	    -l:liblua5.4.a -lbpf -lm -ldl

fuzz: export FUZZ_BTF = build/spec/support/types.bpf.o
fuzz: build build/fuzz/btf build/fuzz/values build/spec/support/types.bpf.o
	@eval "$$($(MAKE) -s env)" && spec/fuzz/run $(or $(FUZZ_SECONDS),600)

types: build | needs-build needs-bpf
	@$(MAKE) -s LUA=luajit build
	@DEPS=: spec/fuzz/types 50 $(lua) luajit

demo: build bpf | needs-vm
	@eval "$$($(MAKE) -s env)" && \
	    spec/vm/run $(or $(KERNEL),newest) $(lua) examples/egress_firewall/demo.lua

shell: build bpf | needs-vm
	@eval "$$($(MAKE) -s env)" && spec/vm/run --shell $(or $(KERNEL),newest) bash -i

matrix = $(shell awk '$$3 == "matrix" { print $$1 }' spec/vm/kernels)

fetch-kernels: | needs-vm
	spec/vm/fetch $(matrix)

update-kernels: | needs-vm
	spec/vm/fetch --update $(matrix)

# What reads.

c-files = $(wildcard csrc/*.[ch] examples/*/*.[ch] bench/*.[ch] spec/support/*.[ch] spec/fuzz/*.[ch])
rock    = rockspec/ebpf-scm-1.rockspec
sources = local spec = {} loadfile("$(rock)", "t", spec)() \
          print(table.concat(spec.build.modules["ebpf.core"].sources, "\n"))

private = custom_see_handler = function() end dofile "config.ld" print(table.concat(file.exclude, "\n"))

features = eval "$$($(MAKE) -s env)" && $(lua) doc/features.lua

features-table: build
	$(features) README.md

lint: build | needs-lint
	luacheck --quiet --no-color .
	clang-format --dry-run -Werror $(c-files)
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingIncludeSystem --error-exitcode=1 csrc
	@# What differs here, the rock would not build or would build without.
	diff <(lua5.4 -e '$(sources)' | sort) <(printf '%s\n' csrc/*.c | sort)
	@# What says no module's name is private, and not in the reference.
	diff <(lua5.4 -e '$(private)' | sort) <(grep -rL -e '-- @module' lua | sort)
	$(features) --check README.md

doc: | needs-doc
	@# Debian's ldoc finds its Markdown only in Lua 5.1.
	lua5.1 $$(command -v ldoc) --quiet --dir build/doc .

clean:
	rm -rf build csrc/*.o ebpf

needs-build: ; @$(DEPS) build $(if $(LUA_INCDIR),,$(lua))
needs-test:  ; @$(DEPS) test $(tested)
needs-bench: ; @$(DEPS) bench bpf lua5.4 luajit
needs-%:     ; @$(DEPS) $*

.PHONY: build all-luas env install bpf support test test-host soak valgrind bench bench-profile bench-callgrind fuzz types demo \
        shell fetch-kernels update-kernels features-table FORCE lint doc clean needs-build needs-test needs-bench
SHELL = /bin/bash
