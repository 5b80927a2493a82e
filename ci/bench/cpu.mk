# SPDX-License-Identifier: MIT
# The scheduler's benchmark: its policy and every baseline on the model of a host.
SEARCH := $(patsubst %,build/tree/cpu/search/%.o,search assignment bounds board local exact refine)
POLICY_CPU := $(patsubst %,build/tree/cpu/%.o,plan rates demand table hidden search/part) $(SEARCH)
BENCH_CPU := $(patsubst %,build/bench/%.o,cpu cpu_run cpu_truth cpu_host cpu_baselines cpu_cases cpu_bound cpu_subsets cpu_limit)
# Their inner loops are for the vector units.
build/bench/cpu_bound.o build/bench/cpu_subsets.o build/bench/cpu_limit.o: CFLAGS += -O3
build/bench_cpu: $(BENCH_CPU) build/judge/optimum.o build/units.o build/log.o $(POLICY_CPU) $(MODEL)
	$(link)
tests: build/bench_cpu
BENCH_BOUNDS := build/bench/cpu_bound.o build/bench/cpu_subsets.o build/judge/optimum.o $(SEARCH)
build/bench/test_cpu_bound: build/bench/test_cpu_bound.o $(BENCH_BOUNDS)
build/bench/test_cpu_truth: build/bench/test_cpu_truth.o build/bench/cpu_truth.o build/bench/cpu_limit.o $(BENCH_BOUNDS)

# Another tree's policy, to be shown beside this one's: make build/bench_cpu_other.so BASELINE=TREE.
# Whatever of the policy's files that tree has.
build/bench_cpu_other.so: bench/cpu_policy.c bench/cpu_policy.h $(wildcard $(BASELINE)/cpu/*.[ch] $(BASELINE)/cpu/search/*.[ch])
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -shared -fPIC -I$(BASELINE) -I$(BASELINE)/cpu -I$(BASELINE)/common \
		-Wl,-Bsymbolic -o $@ $< $(wildcard $(patsubst %,$(BASELINE)/cpu/%.c,plan rates demand table hidden \
		search bounds board local exact refine part)) \
		$(filter-out %/test_search.c,$(wildcard $(BASELINE)/cpu/search/*.c)) -lm
