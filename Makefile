# Leat. `make help` lists what there is to make; everything goes to build/.

VERSION := 0.1.0
prefix  ?= /usr/local
DESTDIR ?=
B       := build

CC      ?= gcc
PARALLEL = --no-print-directory -j$(shell nproc)
CLANG   ?= $(firstword $(foreach c,clang clang-19 clang-14,$(if $(shell command -v $(c)),$(c))) clang)
BPFTOOL ?= $(firstword $(shell command -v bpftool) $(wildcard /usr/sbin/bpftool) bpftool)
PYTHON  ?= /usr/bin/python3

ifeq ($(V),1)
  Q :=
  say = @:
else
  Q := @
  say = @printf '  %-8s %s\n' $(1) $(2)
endif

LIBRARIES := libxdp libbpf libelf zlib libsystemd libcurl libmicrohttpd yaml-0.1 jansson libmnl \
	libxxhash
QUIC_LIBRARIES := libngtcp2 libngtcp2_crypto_gnutls gnutls
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wwrite-strings -Wundef -Wformat=2 -Wcast-qual -Wimplicit-fallthrough -Werror
CPPFLAGS := -I. -Iuser -isystem $(B)/include -D_GNU_SOURCE -DLEAT_VERSION='"$(VERSION)"'
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(CFLAGS) -MD -MP
LIBS      = $(shell pkg-config --libs $(LIBRARIES))
OBJECTS_FIRST = $(filter %.o,$^) $(filter %.a,$^)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -std=gnu17 -I. -Wall -Wextra -Werror \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu
BPF_HEADERS := $(wildcard bpf/*.h maps/*.h) tests/bench/wrapper.h tests/bench/marks.h
SKELETONS := $(addprefix $(B)/include/,$(addsuffix .skel.h,leat decap bench live flood))
PAGE     := $(B)/include/metrics/status_page.h

LAYERS   := base model config datapath probe netlink control metrics daemon
LIB_SRC  := $(foreach l,$(LAYERS),$(wildcard user/$(l)/*.c))
CLI_SRC  := $(wildcard tools/leat/*.c)
HOST_SRC := $(wildcard tools/host/*.c)
SIM_SRC  := $(wildcard tools/sim/*.c) $(HOST_SRC)
JUDGE_SRC := $(wildcard tests/judge/*.c) $(HOST_SRC)
UNIT_SRC := $(shell find tests/unit -name 'test_*.c')
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))
HELPERS  := $(B)/bpf/pass.bpf.o $(B)/bpf/count.bpf.o
CHURN    := $(B)/churn-server $(B)/churn-client $(B)/churn-flood
QUIC     := $(B)/quic-server $(B)/quic-client
UNITS    := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
FUZZERS  := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)

.PHONY: all help check-tools test unit fuzz datapath cli e2e sanitized soak test-vm sim lint bench \
	bench-peers demo check-fresh install clean
all: check-tools $(B)/leatd $(B)/leat

help:
	@sed -n 's/^#: //p' $(firstword $(MAKEFILE_LIST))
#: make              build everything into build/ (V=1 shows the commands)
#: make test         install what the tests need, run all of them (as root)
#: make demo         install what it needs, build, balance real traffic and show it (as root);
#:                   KEEP=1 leaves it up
#: make bench        measure the datapath and the tables (as root); writes build/bench.json
#: make bench-peers  the same traffic over nftables, HAProxy, IPVS and Leat (as root); installs what
#:                   it needs, writes build/bench-peers.json; PARTS="http packets guest"
#: make sim          flows that changes break, beside other ways of balancing
#: make lint         layers, formatting, static analysis, shell
#: make unit         unit and property tests under ASan and UBSan
#: make fuzz         every fuzzer for FUZZ_SECONDS (20)
#: make datapath     packets through the loaded program, judged by scapy (as root)
#: make cli          the command line by itself (as root)
#: make e2e          real traffic in network namespaces (as root)
#: make sanitized    the same over binaries under ASan and UBSan (as root)
#: make test-vm      Debian's kernels, in QEMU: programs, packets and traffic (as root; part of CI)
#: make soak         10 000 connections, a flood and 100 random changes, ten minutes (as root)
#: make check-fresh  both README commands in a minimal Debian 12 (as root, takes long)
#: make install      DESTDIR= and prefix= (/usr/local) as usual
#: make clean        remove build/

check-tools:
	$(Q)tools/check-tools build

$(B)/leatd: $(B)/obj/user/main/leatd.o $(B)/libleat.a
$(B)/leat: $(CLI_SRC:%.c=$(B)/obj/%.o) $(B)/libleat.a
$(B)/bench: $(BENCH_SRC:%.c=$(B)/obj/%.o) $(B)/libleat.a
$(CHURN): $(B)/churn-%: $(B)/obj/tests/churn/%.o $(B)/libleat.a
$(B)/churn-client: $(B)/obj/tests/churn/flow.o $(B)/obj/tests/churn/report.o
$(QUIC): $(B)/quic-%: $(B)/obj/tests/quic/%.o $(B)/obj/tests/quic/endpoint.o $(B)/libleat.a
$(QUIC): LIBS += $(shell pkg-config --libs $(QUIC_LIBRARIES))
$(B)/flood: $(B)/obj/tests/bench/peers/flood.o $(B)/libleat.a
$(B)/verify: $(B)/obj/tests/vm/verify.o $(B)/libleat.a
$(B)/leat-sim: $(SIM_SRC:%.c=$(B)/obj/%.o) $(B)/libleat.a
$(B)/leat-sim: LDFLAGS += -Wl,--wrap=clock_gettime,--wrap=time
$(B)/leat-sim: LIBS += -lm
$(B)/leatd $(B)/leat $(B)/bench $(B)/flood $(B)/verify $(B)/leat-sim $(CHURN) $(QUIC):
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

SANITIZED := $(B)/sanitized/leatd $(B)/sanitized/leat
$(B)/sanitized/leatd: $(B)/asan/user/main/leatd.o $(B)/libleat-asan.a
$(B)/sanitized/leat: $(CLI_SRC:%.c=$(B)/asan/%.o) $(B)/libleat-asan.a
$(SANITIZED):
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

$(B)/libleat.a: $(LIB_SRC:%.c=$(B)/obj/%.o)
$(B)/libleat-asan.a: $(LIB_SRC:%.c=$(B)/asan/%.o)
$(B)/libleat-fuzz.a: $(LIB_SRC:%.c=$(B)/fuzz-obj/%.o)
$(B)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/obj/%.o: %.c | $(SKELETONS) $(PAGE)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(B)/asan/%.o: %.c | $(SKELETONS) $(PAGE)
	$(call say,CC,"$< (sanitized)")
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -O1 $(SANITIZE) -c -o $@ $<

$(B)/fuzz-obj/%.o: %.c | $(SKELETONS) $(PAGE)
	$(call say,CC,"$< (fuzzed)")
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(ALL_CFLAGS) -O1 $(SANITIZE) -fsanitize=fuzzer-no-link -c -o $@ $<

$(B)/unit/%: $(B)/asan/tests/unit/%.o $(B)/libleat-asan.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $(OBJECTS_FIRST) $(LIBS) -lcmocka -lm

# Packets are read without alignment, as where XDP runs.
$(B)/fuzz-obj/tests/judge/%.o $(B)/asan/tests/judge/%.o: SANITIZE += -fno-sanitize=alignment
$(B)/fuzz/fuzz_packet: $(JUDGE_SRC:%.c=$(B)/fuzz-obj/%.o)
$(B)/unit/datapath/test_nat_rewrite: $(HOST_SRC:%.c=$(B)/asan/%.o)
$(B)/unit/datapath/test_agreement: $(JUDGE_SRC:%.c=$(B)/asan/%.o)

$(B)/fuzz/%: $(B)/fuzz-obj/tests/fuzz/%.o $(B)/libleat-fuzz.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $(OBJECTS_FIRST) $(LIBS)

vpath %.bpf.c bpf tests/bench tests/bench/peers tests/lib
$(B)/bpf/%.bpf.o: %.bpf.c $(BPF_HEADERS)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(B)/include/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@.tmp && mv $@.tmp $@

$(PAGE): user/metrics/status.html tools/embed-page
	$(call say,PAGE,$@)
	@mkdir -p $(@D)
	$(Q)tools/embed-page $< status_page >$@.tmp && mv $@.tmp $@

unit: $(UNITS)
	$(Q)tests/run unit
fuzz: $(FUZZERS)
	$(Q)tests/run fuzz
datapath cli e2e: all
	$(Q)tests/run $@
sanitized: $(SANITIZED)
	$(Q)tests/run $@
e2e sanitized: $(CHURN) $(QUIC) $(HELPERS)
cli: $(B)/leat-sim
soak:
	$(Q)tools/check-tools --install build soak
	$(Q)$(MAKE) $(PARALLEL) all $(CHURN)
	$(Q)tests/run soak
sim: $(B)/leat-sim
	$(Q)$(B)/leat-sim --quick
	$(Q)$(B)/leat-sim spread
lint:
	$(Q)tests/lint/lint
test:
	$(Q)tools/check-tools --install build test $(if $(CI),vm)
	$(Q)$(MAKE) $(PARALLEL) all $(UNITS) $(FUZZERS) $(SANITIZED) $(CHURN) $(QUIC) $(HELPERS) \
		$(B)/bench $(B)/leat-sim $(B)/verify
	$(Q)tests/run $(if $(CI),ci,all)
test-vm:
	$(Q)tools/check-tools --install build vm
	$(Q)$(MAKE) $(PARALLEL) all $(B)/verify $(HELPERS) $(B)/unit/datapath/test_agreement
	$(Q)tests/run vm
bench: check-tools $(B)/bench
	$(Q)tools/check-tools bench
	$(Q)$(B)/bench -o $(B)/bench.json
bench-peers:
	$(Q)tools/check-tools --install build peers
	$(Q)$(MAKE) $(PARALLEL) all $(B)/flood
	$(Q)PYTHONPATH=tests/lib $(PYTHON) -B tests/bench/peers/bench_peers.py \
		$(B)/bench-peers.json $(PARTS)
demo:
	$(Q)tools/check-tools --install build demo
	$(Q)$(MAKE) $(PARALLEL) all
	$(Q)examples/demo
check-fresh:
	$(Q)tests/fresh/check-fresh

install: all
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/share/man/man8 \
		$(DESTDIR)$(prefix)/share/man/man5 $(DESTDIR)$(prefix)/share/doc/leat \
		$(DESTDIR)$(prefix)/share/bash-completion/completions
	install -m 755 $(B)/leatd $(B)/leat $(DESTDIR)$(prefix)/sbin
	install -m 644 man/*.8 $(DESTDIR)$(prefix)/share/man/man8
	install -m 644 man/*.5 $(DESTDIR)$(prefix)/share/man/man5
	install -m 644 README.md examples/*.yaml $(DESTDIR)$(prefix)/share/doc/leat
	cp -r contrib $(DESTDIR)$(prefix)/share/doc/leat
	install -d $(DESTDIR)$(prefix)/lib/systemd/system
	sed 's|/usr/local|$(prefix)|' tools/systemd/leatd.service \
		>$(DESTDIR)$(prefix)/lib/systemd/system/leatd.service
	install -m 644 tools/completion/leat.bash \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/leat

clean:
	rm -rf $(B)

.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
