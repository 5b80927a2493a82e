# SPDX-License-Identifier: MIT
# The coordinator's benchmark: its policy and every baseline on the model of a host.
vpath %.c ../lab/sim
build/memory/%.o: ../memory/%.c
	@mkdir -p $(@D)
	@$(if $(Q),printf '  CC    %s\n' '$<',:)
	$(Q)$(CC) $(BALLAST_CPPFLAGS) $(CPPFLAGS) $(BALLAST_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(wildcard build/memory/*.d)

BENCH_MEMORY := build/bench_memory.o build/bench_memory_baselines.o build/bench_memory_cases.o \
	build/bench_memory_table.o
$(BENCH_MEMORY): BALLAST_CPPFLAGS += -I../memory -I../lab/sim
build/bench_memory: $(BENCH_MEMORY) build/memory/plan.o build/memory/step.o build/memory/observe.o build/memory/share.o \
		build/memory/words.o build/model.o build/model_cpu.o build/model_balance.o build/model_mem.o \
		build/model_host.o build/model_rng.o
	$(link)
