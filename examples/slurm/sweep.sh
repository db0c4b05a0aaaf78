#!/bin/bash
# A sweep as an array of jobs, one run each, and a last job that compares them:
#
#     UPG=$PWD/target/release/upg examples/slurm/sweep.sh
#
# in the root of the repository. What fails or runs out of time is tried again by the same command: runs that are done aren't made twice, the others go on where they were.
set -euo pipefail

export UPG=${UPG:-upg} # sbatch hands it on
out=sweeps/rates
sweep=(
    "$UPG" sweep --config configs/u1_8x8_beta2.ron --out "$out"
    --grid 'training.optimiser.rate=[3e-4, 1e-3, 3e-3]' --grid 'training.batch=[256, 1024]' --seeds 3
)

if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
    # On the login node: nothing is trained here, and a grid that isn't accepted is refused at once.
    runs=$("${sweep[@]}" --tasks)
    job=$(sbatch --parsable --array="1-$runs%20" --cpus-per-task=4 --time=01:00:00 --signal=TERM@60 "$0")
    sbatch --dependency="afterany:${job%%;*}" --cpus-per-task=1 --time=00:10:00 --wrap "'$UPG' sweep --out '$out' --report"
else
    # SLURM sends SIGTERM a minute before the end: the run is saved, and the next array goes on with it.
    srun --cpus-per-task="$SLURM_CPUS_PER_TASK" "${sweep[@]}" --task "$SLURM_ARRAY_TASK_ID" --threads "$SLURM_CPUS_PER_TASK"
fi
