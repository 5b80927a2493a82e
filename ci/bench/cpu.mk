# SPDX-License-Identifier: MIT
# The scheduler's benchmark: its policy and every baseline on the model of a host.
SEARCH := $(patsubst %,build/tree/cpu/search/%.o,search assignment bounds board local exact refine)
POLICY_CPU := $(patsubst %,build/tree/cpu/%.o,plan rates demand table hidden search/part) $(SEARCH)
BENCH_CPU := $(patsubst %,build/bench/%.o,cpu cpu_run cpu_truth cpu_host cpu_baselines cpu_cases cpu_bound cpu_subsets)
# Their inner loops are for the vector units.
build/bench/cpu_bound.o build/bench/cpu_subsets.o: CFLAGS += -O3
build/bench_cpu: $(BENCH_CPU) build/judge/optimum.o build/units.o build/log.o $(POLICY_CPU) $(MODEL)
	$(link)
BENCH_BOUNDS := build/bench/cpu_bound.o build/bench/cpu_subsets.o build/judge/optimum.o $(SEARCH)
build/bench/test_cpu_bound: build/bench/test_cpu_bound.o $(BENCH_BOUNDS)
build/bench/test_cpu_truth: build/bench/test_cpu_truth.o build/bench/cpu_truth.o $(BENCH_BOUNDS)
