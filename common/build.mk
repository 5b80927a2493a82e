# SPDX-License-Identifier: MIT
# Flags and rules every folder shares. A folder's Makefile sets COMMON (where this file lies),
# PKGS (pkg-config names) and includes this; then `build/prog: build/a.o build/log.o` is enough:
# sources are looked for in the folder, in COMMON and wherever else `vpath %.c` says. A header of another folder is
# included by its path from the room ("judge/check.h") or from the root ("lab/sim/model/model.h").
# `make CFLAGS=…` changes optimisation and debugging only; what must be there is in BALLAST_*.

# Where cpu/ or memory/ stands alone, VERSION lies beside this file.
VERSION := $(shell cat $(firstword $(wildcard $(COMMON)/VERSION $(COMMON)/../VERSION)))
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system

ifeq ($(V),1)
Q :=
else
Q := @
endif

# Asked once; a machine that lacks a library is told so before the compiler stumbles.
ifneq ($(PKGS),)
ifneq ($(filter-out clean list-%,$(or $(MAKECMDGOALS),all)),)
pkgs_missing := $(strip $(shell for p in $(PKGS); do $(PKG_CONFIG) --exists $$p 2>/dev/null || echo $$p; done))
ifneq ($(pkgs_missing),)
$(error $(PKG_CONFIG) does not find: $(pkgs_missing). `lab/ballast setup` installs what is missing)
endif
pkgs_cflags := $(shell $(PKG_CONFIG) --cflags $(PKGS))
pkgs_libs := $(shell $(PKG_CONFIG) --libs $(PKGS))
endif
endif

# glibc's fortification needs the optimiser, and warns without it.
optimised := $(if $(filter -O0,$(CFLAGS)),,$(filter -O%,$(CFLAGS)))
BALLAST_CPPFLAGS = -D_GNU_SOURCE -DBALLAST_VERSION='"$(VERSION)"' -I$(COMMON) -I. -I$(COMMON)/.. \
	$(if $(optimised),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) $(pkgs_cflags)
BALLAST_CFLAGS = -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wformat=2 -Wvla -Wconversion -Wno-sign-conversion \
	-fPIE -fstack-protector-strong
# SANITIZE=1 (ci/instrument): not in what runs inside of other programs or inside of guests.
ifeq ($(SANITIZE),1)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BALLAST_CFLAGS += $(SANITIZERS)
endif
BALLAST_LDFLAGS = -pie -Wl,-z,relro,-z,now,--as-needed
BALLAST_LDLIBS = $(pkgs_libs) -lm

# What a program links to read scenarios, to write traces, to read them.
SCENARIO_OBJS := build/scenario.o build/scenario_resolve.o build/inifile.o build/timeline.o build/units.o build/text.o
TRACE_OBJS := build/trace.o build/trace_kinds.o build/text.o
TRACE_READ_OBJS := build/trace_read.o build/trace_kinds.o build/pool.o build/array.o

vpath %.c $(COMMON)

build/%.o: %.c
	@mkdir -p $(@D)
	@$(if $(Q),printf '  CC    %s\n' '$<',:)
	$(Q)$(CC) $(BALLAST_CPPFLAGS) $(CPPFLAGS) $(BALLAST_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# $(call link): the recipe of a program whose prerequisites are its objects.
define link
	@$(if $(Q),printf '  LD    %s\n' '$@',:)
	$(Q)$(CC) $(BALLAST_CFLAGS) $(CFLAGS) $(BALLAST_LDFLAGS) $(LDFLAGS) -o $@ \
		$(filter %.o,$^) $(BALLAST_LDLIBS) $(LDLIBS)
endef

# Compiles each file and throws the result away: a build shows the warnings only of what it makes anew.
warnings:
	@find . -mindepth 1 \( -name build -o -type d -execdir test -e '{}/Makefile' \; \) -prune -o -name '*.c' -print0 | \
		xargs -0 -n 1 -P "$$(nproc)" $(CC) $(BALLAST_CPPFLAGS) $(CPPFLAGS) $(BALLAST_CFLAGS) -O2 -Werror -c -o /dev/null
.PHONY: warnings

-include $(wildcard build/*.d build/*/*.d build/*/*/*.d)
