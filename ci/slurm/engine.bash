# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# grade-all's engine for a cluster: an array job of Slurm, one node of its own for each submission. Whoever waits for it may be
# killed: the job goes on, and the same command waits for it again. OUT, the class and this tree are on a shared file system.

# How often Slurm is asked; it tells nobody.
slurm_poll_s=${BALLAST_SLURM_POLL_S:-2}

# The job that is under way, or nothing.
slurm_job() {
	local job
	job=$(cat "$state/slurm/job" 2>/dev/null) || return 0
	[[ ! $(squeue --noheader --jobs "$job" --format %i 2>/dev/null) ]] || printf '%s\n' "$job"
}

# One line for each task that has not ended: INDEX STATE.
slurm_tasks() {
	squeue --noheader --array --jobs "$1" --format '%K %T' 2>/dev/null
}

# Says how far a class is, for a second terminal; starts and changes nothing.
slurm_status() {
	local job total ended
	[[ -s $state/slurm/ids ]] || die 2 "$out: no class was given to Slurm there"
	job=$(slurm_job)
	total=$(wc -l <"$state/slurm/ids")
	ended=$(slurm_ended | wc -l)
	if [[ $job ]]; then
		printf 'job %s: %d of %d are graded; ' "$job" "$ended" "$total"
		slurm_tasks "$job" | cut -d ' ' -f 2 | sort | uniq -c | awk '{printf "%s%d %s", (NR > 1 ? ", " : ""), $1, tolower($2)} END {print ""}'
	else
		printf 'no job is under way: %d of %d are graded; the same command without --status goes on\n' "$ended" "$total"
	fi
}

# The ids of the job that have their grade.
slurm_ended() {
	local id changed
	while read -r id changed; do
		[[ $(cat "$out/grades/$id/.done" 2>/dev/null) != "$changed $(<"$state/slurm/keys")" ]] || printf '%s\n' "$id"
	done <"$state/slurm/ids"
}

slurm_submit() {
	local id command
	rm -rf "$state/slurm"
	mkdir -p "$state/slurm"
	for id; do
		grep "^$id " "$state/ids"
	done >"$state/slurm/ids"
	printf '%s\n' "$play_key $judge_key" >"$state/slurm/keys"
	printf -v command '%q ' "$here/grade-all" "$class" --out "$out" --suite "$suite" --seed "$seed" --repeat "$repeat" \
		--engine slurm --world "$world" "${as_written[@]}" "${trust[@]}" --task
	# The task's number is its line of the ids.
	BALLAST_KEYS="$play_key $judge_key" sbatch --parsable --job-name "ballast $(basename "$class")" --array "1-$#" --nodes 1 \
		--exclusive --requeue --open-mode append --output "$state/slurm/%a.log" --export ALL \
		--wrap "exec $command \"\$(sed -n \"\${SLURM_ARRAY_TASK_ID}s/ .*//p\" $(printf %q "$state/slurm/ids"))\"" \
		>"$state/slurm/job.new" || die 3 "Slurm took no job; sinfo shows its nodes"
	mv "$state/slurm/job.new" "$state/slurm/job"
}

# Grades the ids that it is given, or waits for those of a job that is under way.
engine_slurm() {
	local job id queued index said=' '
	command -v sbatch >/dev/null || die 3 "--engine slurm: sbatch is missing; this machine submits no jobs"
	job=$(slurm_job)
	if [[ $job ]]; then
		say "waiting for job $job, which is under way"
	else
		slurm_submit "$@"
		job=$(<"$state/slurm/job")
		say "job $job: ${#} tasks; ended with scancel $job"
	fi
	mapfile -t ids < <(cut -d ' ' -f 1 "$state/slurm/ids")
	while ((finished < ${#ids[@]})); do
		queued=" $({ slurm_tasks "$job" || true; } | cut -d ' ' -f 1 | paste -sd ' ') "
		# A controller that does not answer is no job that has ended.
		if [[ $queued == '  ' ]] && ! scontrol ping >/dev/null 2>&1; then
			sleep "$slurm_poll_s"
			continue
		fi
		for index in "${!ids[@]}"; do
			id=${ids[index]}
			[[ $said != *" $id "* ]] || continue
			if grep -qxF -- "$id" <(slurm_ended); then
				done_one "$id" 0
			elif [[ $queued != *" $((index + 1)) "* ]]; then
				# Its last act is the grade, so that this looks once more.
				if grep -qxF -- "$id" <(slurm_ended); then done_one "$id" 0; else done_one "$id" 3; fi
			else
				continue
			fi
			said+="$id "
		done
		((finished == ${#ids[@]})) || sleep "$slurm_poll_s"
	done
}
