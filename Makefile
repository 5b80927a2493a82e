# SPDX-License-Identifier: MIT
# Ballast: `make grade` is the main job, `make check` runs every test; `make help` lists the rest.
# Packages that are missing are installed first, and libvirtd is started where guests are wanted (lab/ballast setup).

FOLDERS := common cpu memory workloads lab ci
LAB := lab/ballast
OUT ?= out
# Failed tests with what they say, and how long each file took.
PROVEFLAGS ?= --failures --comments --timer
quiet := $(if $(filter 1,$(V)),,-s)
each = @set -e; for folder in $(FOLDERS); do $(MAKE) $(quiet) --no-print-directory -C $$folder

# Of a lab that is brought up: make lab-up GUESTS=4 VCPUS=1 MEMORY=512M MAXIMUM=2048M IMAGE=micro PREFIX=aos_vm
lab_options = $(if $(GUESTS),--guests "$(GUESTS)") $(if $(VCPUS),--vcpus "$(VCPUS)") \
	$(if $(MEMORY),--memory "$(MEMORY)") $(if $(MAXIMUM),--maximum "$(MAXIMUM)") \
	$(if $(PREFIX),--prefix "$(PREFIX)") $(if $(IMAGE),--image "$(IMAGE)") \
	$(if $(RELEASE),--release "$(RELEASE)")

# A variable that no target reads is a mistake, and would do something else than was meant.
VARIABLES := SUBMISSION OUT PREFIX IMAGE WORLD SUITE ONLY REPEAT GUESTS VCPUS MEMORY MAXIMUM RELEASE SANITIZE SECONDS \
	BASELINE BALLAST_% \
	PROVEFLAGS V DESTDIR MANDIR UNITDIR CC AR CFLAGS CPPFLAGS LDFLAGS LDLIBS PKG_CONFIG MAKEFLAGS SHELL
unknown := $(filter-out $(VARIABLES),$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
ifneq ($(unknown),)
$(error $(firstword $(unknown))=: no target reads that variable; make help lists those there are)
endif

all: packages build

## build       compiles all there is, and installs no packages for it
build:
	+$(each) all; done

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## grade       test the programs in cpu/ and memory/ on real guests: SUBMISSION=DIR (somebody else's) OUT=out PREFIX=aos_vm
##             IMAGE=micro WORLD=sim (the simulated host, in seconds) SUITE=ci/full.suite ONLY="mem-one mem-all"
##             REPEAT=5 (runs of each scenario)
grade: $(if $(filter sim,$(WORLD)),all,setup)
	@ci/grade $(if $(SUBMISSION),--submission "$(SUBMISSION)") --out "$(OUT)" \
		$(if $(WORLD),--world "$(WORLD)") $(if $(SUITE),--suite "$(SUITE)") \
		$(if $(REPEAT),--repeat "$(REPEAT)") $(foreach name,$(ONLY),--only "$(name)") \
		$(if $(PREFIX),--prefix "$(PREFIX)") $(if $(IMAGE),--image "$(IMAGE)")

## check       every test of the programs and the lab, real guests included; SANITIZE=1: only what runs under the sanitizers
ifeq ($(SANITIZE),1)
check:
	@$(LAB) setup --packages --tests
	@ci/instrument sanitize
else
check: setup-tests
	+$(each) tests; done
	@CMOCKA_MESSAGE_OUTPUT=TAP prove $(PROVEFLAGS) $$(for folder in $(FOLDERS); do \
		$(MAKE) -s --no-print-directory -C $$folder list-tests | sed "s|^|$$folder/|"; done)
endif

## lint        the form of the whole tree: layout, compilers' warnings, cppcheck, scripts, manual pages
lint:
	@ci/lint

## fuzz        each parser of outside text against made-up input: SECONDS=60 for each
fuzz: setup-tests
	@ci/fuzz/fuzz --seconds "$(or $(SECONDS),60)"

## coverage    how many lines of each folder the tests run, real guests left out
coverage: setup-tests
	@ci/instrument coverage

## check-images  the same lab with guests of a whole distribution, which takes minutes to make: Debian, by cloud-init;
##             and the Debian packages, tried in a minimal Debian
check-images: setup
	@$(MAKE) $(quiet) --no-print-directory -C lab check-images PROVEFLAGS="$(PROVEFLAGS)"

## lab-up      boot guests: GUESTS=4 VCPUS=1 MEMORY=512M MAXIMUM=2048M PREFIX=aos_vm IMAGE=micro RELEASE=
lab-up: setup
	@$(LAB) up $(lab_options)
## lab-down    take the lab's guests down again: PREFIX=aos_vm
lab-down:
	@$(LAB) down $(if $(PREFIX),--prefix "$(PREFIX)")
## lab-status  what runs
lab-status:
	@$(LAB) status

## bench       speed and quality, side by side with other programs' rules
bench: setup
	@ci/bench/bench

## bench-cpu   the scheduler's part of it
bench-cpu: all
	@ci/bench/bench cpu

## bench-memory  the coordinator's part of it
bench-memory: all
	@ci/bench/bench memory

## fidelity    the same scenarios on real guests and on the simulated host, compared: by figures, and by what each
##             expectation makes of this tree's programs and the reference submissions (hours; goes on where it ended)
fidelity: setup
	@lab/sim/fidelity --out "$(OUT)/fidelity"
	@ci/bench/agreement/agreement "$(OUT)/agreement"

## submission  an archive whose cpu/ and memory/ each build alone with a bare make
submission:
	@ci/submission "$(OUT)/submission.tar.gz"

## gradescope  an autograder to upload to Gradescope: OUT=out SUITE=ci/course.suite
gradescope: all
	@ci/package/package gradescope "$(OUT)" $(if $(SUITE),"$(SUITE)")

## autolab     autograde.tar and autograde-Makefile for Autolab: OUT=out SUITE=ci/course.suite
autolab: all
	@ci/package/package autolab "$(OUT)" $(if $(SUITE),"$(SUITE)")

## install     lab, grader, simulated host, the two programs, their man pages and systemd units: DESTDIR= PREFIX=/usr/local
install: build
	@set -e; for folder in cpu memory; do $(MAKE) --no-print-directory -C $$folder install; done
	@lab/install

## deb         Debian packages of it in OUT/deb: ballast and ballast-controllers
deb:
	@lab/deb "$(OUT)/deb"

packages:
	@$(LAB) setup --packages

setup-tests: all
	@$(LAB) setup --tests

setup: all
	@$(LAB) setup $(if $(IMAGE),--image "$(IMAGE)") $(if $(RELEASE),--release "$(RELEASE)")

## clean       what was built
clean:
	+$(each) clean; done
	rm -rf out

.PHONY: build deb coverage fuzz all help grade check check-images lab-up lab-down lab-status bench bench-cpu bench-memory fidelity submission gradescope autolab install lint packages setup setup-tests clean
