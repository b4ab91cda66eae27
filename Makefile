# SPDX-License-Identifier: GPL-2.0
#
# The front door. `make help` lists the targets.
#
# A line "target: ## text" is what `make help` prints of that target.

# The makes below are given what they need. What is given to this one would be another thing
# there: kbuild takes M=NAME for a directory of modules.
MAKEOVERRIDES =

# What a plain `make check` is for.
BASES	?= linux-7.3 linux-6.12
# Without one, and without a tree of the user's own, `make check` is for all.
ONE	:= $(BASE)$(LINUX)
BASE	?= $(firstword $(BASES))
DEBUG	?= 0
KERNEL	?=
V	?= 0
JOBS	?= $(shell nproc)
# ccache makes a second build one of seconds; nothing here needs it
CC	:= $(if $(filter default,$(origin CC)),$(if $(shell command -v ccache),ccache gcc,gcc),$(CC))

TOP	:= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
# Make takes it for several names: TOP would be another directory, and `clean` in that.
ifneq ($(words $(CURDIR))$(words $(MAKEFILE_LIST)),11)
$(error the path of this checkout must have no space: '$(CURDIR)', '$(strip $(MAKEFILE_LIST))')
endif
KNOWN	:= $(notdir $(wildcard $(TOP)/patches/linux-*))
ifneq ($(words $(BASE))$(filter-out $(KNOWN),$(BASE) $(BASES)),1)
$(error BASE='$(BASE)', BASES='$(BASES)': there are $(KNOWN); BASE is one of them)
endif
ifneq ($(filter-out 0 1,$(DEBUG)),)
$(error DEBUG=$(DEBUG): want 0 or 1)
endif
# KERNEL=debian: Debian's own kernel of the series, with our KVM modules.
DEBIAN	:= $(filter debian,$(KERNEL))
ifneq ($(filter-out debian,$(KERNEL))$(filter 1debian,$(DEBUG)$(DEBIAN)),)
$(error KERNEL=$(KERNEL) with DEBUG=$(DEBUG): KERNEL is debian, without DEBUG=1, or empty)
endif
FLAVOUR	:= $(BASE)$(if $(filter 1,$(DEBUG)),-debug)$(if $(DEBIAN),-debian)
B	:= $(TOP)/build/$(FLAVOUR)
LOGDIR	:= $(TOP)/build/log
VM	:= $(TOP)/tools/vm
Q	:= $(if $(filter 1,$(V)),,@)
SNP_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/snp-vmsa
export SNP_CACHE V JOBS CC LOGDIR TOP BASE
MAKEFLAGS += --no-print-directory

# LINUX= and QEMU= are trees of the user's own; the cache has Debian's.
ifneq ($(LINUX),)
USER_LINUX := $(abspath $(LINUX))
endif
ifneq ($(QEMU),)
USER_QEMU := $(abspath $(QEMU))
endif
unexport LINUX QEMU
# Such a tree may change at any time; one in the cache does not.
fixed_linux := $(if $(USER_LINUX),,1)
fixed_qemu := $(if $(USER_QEMU),,1)

FETCH	:= $(TOP)/tools/fetch/fetch.sh
# Only in recipes: it may have to download.
linux_src = $(or $(USER_LINUX),$$($(FETCH) $(BASE)))
qemu_src = $(or $(USER_QEMU),$$($(FETCH) qemu))
debian_name := $(BASE:linux-%=debian-%)

# Two builds side by side: the second one waits, and finds it done. Flavours share
# some of what is built.
LOCK	= $(VM)/lock.sh $(TOP)/build/.lock.$@

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: help
help: ## this list
	@echo "make TARGET [BASE=linux-7.3|linux-6.12] [DEBUG=1] [KERNEL=debian] [V=1]"
	@echo "     [LINUX=tree] [QEMU=tree]"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
		awk -F'\t' '{ printf "  %-16s %s\n", $$1, $$2 }'

#
# What is built. Each script looks by itself what is to do: nothing, mostly.
#

.PHONY: deps
deps: ## install the Debian packages that are needed (as root), or print the line
	$(Q)$(LOCK) $(VM)/deps.sh

# What the kernel's own checks call.
.PHONY: deps-series
deps-series: deps
	$(Q)$(LOCK) $(VM)/deps.sh series

.PHONY: fetch
fetch: deps ## fetch the sources of Linux and QEMU into the cache
	$(Q)set -e; for n in $(if $(USER_LINUX),,$(BASE)) $(if $(USER_QEMU),,qemu) \
		$(if $(DEBIAN),$(debian_name)) \
		meson pycotap seabios qemu-data ovmf; do $(FETCH) $$n > /dev/null; done

.PHONY: kernel
kernel: fetch ## the kernel of the machine
ifneq ($(DEBIAN),)
	$(Q)$(LOCK) env DEBIAN="$$($(FETCH) $(debian_name))" OUT=$(B)/kernel $(VM)/debian-kernel.sh
else
	$(Q)$(LOCK) env LINUX="$(linux_src)" OUT=$(B)/kernel FIXED=$(fixed_linux) \
		$(VM)/build-kernel.sh $(VM)/kernel/base.config \
		$(if $(filter 1,$(DEBUG)),$(VM)/kernel/debug.config)
endif

meson_env = MESON="$$($(FETCH) meson)" PYCOTAP="$$($(FETCH) pycotap)"
qemu_env = QEMU="$(qemu_src)" FIXED=$(fixed_qemu) $(meson_env)

.PHONY: qemu
qemu: fetch ## QEMU with the emulated SNP platform
	$(Q)$(LOCK) env $(qemu_env) TREE=$(TOP)/build/qemu-src OUT=$(TOP)/build/qemu \
		$(VM)/build-qemu.sh

# The same without a patch, to compare with: of a project that has none.
.PHONY: qemu-plain
qemu-plain: fetch
	$(Q)mkdir -p $(TOP)/build/qemu-plain.none $(LOGDIR)/plain
	$(Q)$(LOCK) env QEMU="$(qemu_src)" FIXED=$(fixed_qemu) TOP=$(TOP)/build/qemu-plain.none \
		TREE=$(TOP)/build/qemu-plain-src OUT=$(TOP)/build/qemu-plain LOGDIR=$(LOGDIR)/plain \
		MESON="$$($(FETCH) meson)" PYCOTAP="$$($(FETCH) pycotap)" $(VM)/build-qemu.sh

# KDIR= another kernel, built or its installed headers; the result is for that one, and of no
# use in the machine.
KDIR	?=
MODULES	:= $(if $(KDIR),$(TOP)/build/modules-kdir,$(B)/modules)
# Debian's kernel and its modules are of one compiler: the one in its root.
modules_env = $(if $(DEBIAN),PATH="$$($(FETCH) $(debian_name))/usr/bin:$$PATH" \
	CC=x86_64-linux-gnu-gcc-14 STRIP=x86_64-linux-gnu-strip)

build_modules = $(LOCK) env LINUX="$(linux_src)" FIXED=$(fixed_linux) $(modules_env)

# The modules of the machine, whatever KDIR is.
.PHONY: ext
ext: kernel
	$(Q)$(build_modules) KDIR=$(B)/kernel$(if $(DEBIAN),/headers) OUT=$(B)/modules $(VM)/modules.sh

.PHONY: modules
modules: $(if $(KDIR),fetch,ext) ## kvm.ko and kvm-amd.ko with the extension; KDIR= for a kernel of your own
ifneq ($(KDIR),)
	$(Q)$(build_modules) KDIR="$(abspath $(KDIR))" OUT=$(MODULES) $(VM)/modules.sh
endif

# The fixes of the base alone, up to the patch of that number: they come first, and have to
# be good without the rest. Those of the other base are not apart from it.
FIXES	:= $(if $(filter linux-7.3,$(BASE)),0010)

.PHONY: fixes
fixes: kernel
	$(Q)$(if $(FIXES),$(build_modules) KDIR=$(B)/kernel$(if $(DEBIAN),/headers) UPTO=$(FIXES) \
		OUT=$(B)/modules-fixes $(VM)/modules.sh)

.PHONY: kunit
kunit: kernel
	$(Q)$(LOCK) env LINUX="$(linux_src)" FIXED=$(fixed_linux) KDIR=$(B)/kernel OUT=$(B)/kunit \
		$(VM)/build-kunit.sh

.PHONY: selftests
selftests: fetch ## the base's KVM selftests and ours
	$(Q)$(LOCK) env LINUX="$(linux_src)" OUT=$(TOP)/build/$(BASE)/selftests \
		FIXED=$(fixed_linux) $(VM)/build-selftests.sh

.PHONY: launch
launch: selftests ## snp-launch, snp-mkigvm and a guest for them
	$(Q)$(LOCK) $(MAKE) -s -C tools/guest $(TOP)/build/guest/certs OUT=$(TOP)/build/guest CC="$(CC)"
	$(Q)$(LOCK) $(MAKE) -s -C tools/launch strip OUT=$(TOP)/build/$(BASE)/launch \
		HDR=$(TOP)/build/$(BASE)/selftests/usr/include CC="$(CC)"

.PHONY: runner
runner: deps
	$(Q)$(LOCK) $(MAKE) -s -C $(VM) OUT=$(TOP)/build/vm CC="$(CC)"

.PHONY: tools
tools: deps ## snp-digest, in build/tools
	$(Q)$(LOCK) $(MAKE) -s -C tools/measure OUT=$(TOP)/build/tools CC="$(CC)"

# Not part of `all`: 100 MB are fetched for it.
.PHONY: guest
guest: tools # Debian's QEMU, OVMF and kernel, for the machine to run an SNP guest
	$(Q)$(LOCK) $(MAKE) -s -C tools/guest OUT=$(TOP)/build/guest CC="$(CC)"
	$(Q)$(LOCK) env OUT=$(TOP)/build/guest DIGEST=$(TOP)/build/tools/snp-digest \
		QEMU_ROOT="$$($(FETCH) guest-qemu)" OVMF_ROOT="$$($(FETCH) ovmf)" \
		AMDSEV_ROOT="$$($(FETCH) ovmf-amdsev)" \
		KERNEL_ROOT="$$($(FETCH) debian-6.12)" tools/guest/build.sh

.PHONY: qemu-vmm
qemu-vmm: fetch # QEMU as a VMM that uses the uAPI, for the machine to run
	$(Q)$(LOCK) env $(qemu_env) SERIES=qemu-10.0-vmm TREE=$(TOP)/build/qemu-vmm-src \
		OUT=$(TOP)/build/qemu-vmm $(VM)/build-qemu.sh
	$(Q)mkdir -p build/guest
	$(Q)strip -o build/guest/qemu-vmm build/qemu-vmm/qemu-system-x86_64

.PHONY: all
all: kernel qemu ext fixes selftests launch $(if $(DEBIAN),,kunit) runner tools ## everything

#
# What is run
#

T	?=
# Of `make check` without T: the stock tests are about KVM without SNP, and would take hours
# in the debug kernel; Debian's kernel has no KUnit, which is a part of the runner's own.
DEFAULT_T := $(if $(filter 1,$(DEBUG)),!stock,$(if $(DEBIAN),!stock !host))
TESTS	= --tests $(VM)/tests $(if $(wildcard $(VM)/tests.$(BASE)),--tests $(VM)/tests.$(BASE))
# The host tests find what they need by these.
ENV	= BUILD=$(TOP)/build FLAVOUR=$(FLAVOUR) LINUX_SRC="$(linux_src)" \
	SCALE=$(if $(filter 1,$(DEBUG)),8,1) SEABIOS="$$($(FETCH) seabios)" \
	QEMU_DATA="$$($(FETCH) qemu-data)" OVMF="$$($(FETCH) ovmf)" RESULTS="$(RESULTS)"
RUN	= $(ENV) $(VM)/run.sh $(TESTS)
RESULTS	?= $(TOP)/results
RUN_ARGS ?=

# A recipe that has make's name in it runs also when it is only to be printed.
this_make = $(MAKE)

# `make check T=...` of host tests alone still needs the machine's parts: what
# T names is known only to the runner.
.PHONY: check
check: $(if $(ONE),all,runner) ## every test, on every base or on BASE; T=NAME, group or pattern for some
	$(Q)$(if $(ONE),$(RUN) --select '$(or $(T),$(DEFAULT_T))' $(RUN_ARGS),\
		T='$(or $(T),$(DEFAULT_T))' RESULTS="$(RESULTS)" BUILD=$(TOP)/build \
		$(if $(USER_QEMU),QEMU='$(USER_QEMU)') MAKE="$(this_make)" $(VM)/check-bases.sh $(BASES))

.PHONY: check-long
check-long: all ## random sequences of 130,000 steps
	$(Q)$(RUN) --select long $(RUN_ARGS)

.PHONY: list
list: runner ## the tests, and what is expected of them
	$(Q)$(VM)/run.sh $(TESTS) --list $(if $(T)$(DEFAULT_T),--select '$(or $(T),$(DEFAULT_T))')

.PHONY: demo
demo: kernel qemu ext selftests runner ## launch, run and zap a VMSA in guest memory
	$(Q)$(RUN) --select snp_vmsa_demo --show

.PHONY: zap
zap: kernel qemu ext selftests runner ## a minute of stress on VMSAs whose pages are punched
	$(Q)$(RUN) --select vmsa_zap_long --show

.PHONY: timeline
timeline: RESULTS = $(TOP)/build/timeline
timeline: kernel qemu ext selftests runner ## record a launch, a zap and a recovery; draw them as an SVG
	$(Q)$(MAKE) -s -C $(TOP)/tools/timeline OUT=$(TOP)/build/vm CC="$(CC)"
	$(Q)$(RUN) --select snp_scene > /dev/null
	$(Q)$(TOP)/build/vm/timeline $(RESULTS)/snp_scene.log $(RESULTS)/machine-01.qemu \
		> $(TOP)/build/timeline.svg
	@echo "drawn: $(TOP)/build/timeline.svg"

.PHONY: demo-guest
demo-guest: kernel qemu ext runner guest ## a Debian guest with SEV-SNP by QEMU and OVMF; minutes
	$(Q)$(RUN) --select snp_linux_1 --show

.PHONY: check-guest
check-guest: kernel qemu ext runner guest qemu-vmm ## such guests as tests: 1, 2, 4 vCPUs, load, measured boot, vmsa-gpa, lost pages
	$(Q)$(RUN) --select "$(or $(T),guest)" $(RUN_ARGS)

.PHONY: bench
bench: RESULTS = $(TOP)/build/bench/results
bench: kernel qemu qemu-plain ext kunit runner guest ## what the emulation costs: an SNP guest, a plain machine, RMPUPDATE; minutes
	$(Q)$(ENV) OUT=$(TOP)/build/bench KERNEL=$(B)/kernel/arch/x86/boot/bzImage \
		QEMU_PLAIN=$(TOP)/build/qemu-plain/qemu-system-x86_64 \
		QEMU_OURS=$(TOP)/build/qemu/qemu-system-x86_64 \
		$(TOP)/tools/bench/bench.sh $(VM)/run.sh $(TESTS) --jobs 1 --select

.PHONY: certs
certs: deps ## the certificates of the emulated platform: worthless, and they say so
	$(Q)$(MAKE) -s -C tools/guest OUT=$(TOP)/build/guest CC="$(CC)"
	$(Q)build/guest/snp-verify --chain

.PHONY: shell
shell: all ## a shell in the machine; T= brings these tests' programs along
	$(Q)$(RUN) --shell $(if $(T),--select "$(T)")

.PHONY: check-hw
check-hw: selftests launch runner ## the SNP tests on this host, which has to be one with SNP; KDIR= for its kernel
	$(Q)BUILD=$(TOP)/build MODULES=$(MODULES) RESULTS="$(RESULTS)" \
		$(VM)/hw.sh $(filter-out --tests,$(TESTS))

.PHONY: check-mutants
check-mutants: all ## break the code on purpose: a named test must turn red; M=NAME for one
	$(Q)$(LOCK) env $(ENV) FIXED_LINUX=$(fixed_linux) FIXED_QEMU=$(fixed_qemu) QEMU_SRC="$(qemu_src)" $(meson_env) \
		$(VM)/mutants.sh $(M)

FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: deps ## fuzz the readers of tools/measure, FUZZ_SECONDS=60 each; needs clang
	$(Q)$(MAKE) -s -C tools/measure fuzz BUILD=$(TOP)/build/host/measure \
		FUZZ=$(TOP)/build/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) CC="$(CC)"
#
# What is posted
#

# V= is the version of the series here, and asks for no commands.
SERIES	= BASE=$(BASE) LINUX="$(linux_src)" OUT=$(TOP)/build/series/$(BASE) KDIR=$(B)/kernel \
	VERSION=$(if $(filter-out 0,$(V)),$(V),1) V=0
ABIDIFF	?= $$($(FETCH) abigail)/usr/bin/abidiff
CHECK_SERIES = $(VM)/lock.sh $(TOP)/build/.lock.series env $(ENV) $(SERIES) ABIDIFF="$(ABIDIFF)" \
	SPARSE="$$($(TOP)/tools/series/sparse.sh "$$($(FETCH) sparse)" $(TOP)/build/sparse)" \
	$(TOP)/tools/series

.PHONY: series
series: fetch ## the patches to post, with a cover letter, in build/series; V=2 for version 2
	$(Q)$(LOCK) env $(SERIES) $(TOP)/tools/series/make.sh

.PHONY: check-series
check-series: all series deps-series ## every check on every commit of it; T="build sparse" for some
	$(Q)$(CHECK_SERIES)/check.sh $(T)

.PHONY: check-series-fixtures
check-series-fixtures: all series deps-series ## each of these checks rejects what it must reject
	$(Q)$(CHECK_SERIES)/checks.sh $(T)
	$(if $(T),,$(Q)$(CHECK_SERIES)/versions.sh)

# The hooks in QEMU with the files of the platform, and what QEMU needs as a VMM
OF	?= qemu-10.0
QEMU_SERIES = BASE=$(OF) LINUX="$(qemu_src)" FIXED=$(fixed_qemu) OUT=$(TOP)/build/series/$(OF) \
	VERSION=$(if $(filter-out 0,$(V)),$(V),1) V=0 $(meson_env)
CHECK_QEMU_SERIES = $(VM)/lock.sh $(TOP)/build/.lock.qemu-series env $(QEMU_SERIES) $(TOP)/tools/series

.PHONY: qemu-series
qemu-series: fetch ## the patches of QEMU, complete, in build/series; OF=qemu-10.0-vmm: those of the VMM
	$(Q)$(LOCK) env $(QEMU_SERIES) $(TOP)/tools/series/make.sh

.PHONY: check-qemu-series
check-qemu-series: qemu-series ## every check on every commit of these; T="checkpatch message" for some
	$(Q)$(CHECK_QEMU_SERIES)/check.sh $(T)

.PHONY: check-qemu-series-fixtures
check-qemu-series-fixtures: qemu-series ## each of these checks rejects what it must reject
	$(Q)$(CHECK_QEMU_SERIES)/checks.sh $(T)

.PHONY: clean
clean: ## remove all builds
	rm -rf '$(TOP)/build' '$(TOP)/results' '$(TOP)/results.lock' '$(TOP)/results.hw' \
		'$(TOP)'/results.old-*

.PHONY: distclean
distclean: clean ## remove the cache of fetched sources, too
	rm -rf '$(SNP_CACHE)'
