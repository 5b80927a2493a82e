# SPDX-License-Identifier: MIT
# The coordinator's benchmark: its policy and every baseline on the model of a host.
BENCH_MEMORY := $(patsubst %,build/bench/%.o,memory memory_baselines memory_cases memory_table)
POLICY_MEMORY := $(patsubst %,build/tree/memory/%.o,plan risk shortage step observe share words)
build/bench_memory: $(BENCH_MEMORY) $(POLICY_MEMORY) $(MODEL)
	$(link)
