# SPDX-License-Identifier: MIT
# The coordinator's benchmark: its policy and every baseline on the model of a host.
BENCH_MEMORY := $(patsubst %,build/bench/%.o,memory memory_baselines memory_cases memory_clairvoyant memory_policy memory_table)
POLICY_MEMORY := $(patsubst %,build/tree/memory/%.o,plan risk shortage step observe share words)
tests: build/bench_memory
build/bench_memory: $(BENCH_MEMORY) $(POLICY_MEMORY) $(MODEL)
	$(link)

# Another tree's policy, to be shown beside this one's: make build/bench_baseline.so BASELINE=TREE.
# Whatever of the policy's files that tree has.
POLICY_FILES := plan risk shortage step observe share words
build/bench_baseline.so: bench/memory_policy.c bench/memory_policy.h $(wildcard $(BASELINE)/memory/*.[ch])
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -shared -fPIC -I$(BASELINE) -I$(BASELINE)/common -Wl,-Bsymbolic \
		$$(grep -qs look_s $(BASELINE)/memory/plan.h || echo -DPOLICY_WITHOUT_LOOKS) \
		-o $@ $< $(wildcard $(POLICY_FILES:%=$(BASELINE)/memory/%.c)) -lm
