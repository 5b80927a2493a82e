# SPDX-License-Identifier: MIT
# The scheduler's benchmark: its policy and every baseline on the model of a host.
vpath %.c ../lab/sim
build/cpu/%.o: ../cpu/%.c
	@mkdir -p $(@D)
	@$(if $(Q),printf '  CC    %s\n' '$<',:)
	$(Q)$(CC) $(BALLAST_CPPFLAGS) $(CPPFLAGS) $(BALLAST_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(wildcard build/cpu/*.d)

SEARCH := build/cpu/search.o build/cpu/bounds.o build/cpu/board.o build/cpu/local.o build/cpu/exact.o \
	build/cpu/refine.o
BENCH_CPU := build/bench_cpu.o build/bench_cpu_run.o build/bench_cpu_truth.o build/bench_cpu_host.o \
	build/bench_cpu_baselines.o build/bench_cpu_cases.o build/bench_cpu_bound.o \
	build/bench_cpu_subsets.o
$(BENCH_CPU) build/test_bench_bound.o build/test_bench_truth.o: BALLAST_CPPFLAGS += -I../cpu -I../lab/sim
# Their inner loops are for the vector units.
build/bench_cpu_bound.o build/bench_cpu_subsets.o: CFLAGS += -O3
build/bench_cpu: $(BENCH_CPU) build/optimum.o build/units.o build/log.o \
		build/cpu/plan.o build/cpu/rates.o build/cpu/demand.o build/cpu/table.o build/cpu/part.o $(SEARCH) \
		build/model.o build/model_cpu.o build/model_balance.o build/model_mem.o \
		build/model_host.o build/model_rng.o
	$(link)
BENCH_BOUNDS := build/bench_cpu_bound.o build/bench_cpu_subsets.o build/optimum.o $(SEARCH)
build/test_bench_bound: build/test_bench_bound.o $(BENCH_BOUNDS)
build/test_bench_truth: build/test_bench_truth.o build/bench_cpu_truth.o $(BENCH_BOUNDS)
