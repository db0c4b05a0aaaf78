#!/bin/bash
# A training longer than the time a job may have: as many jobs as are given, one after the other, each of which goes on with the run of the one
# before; then an evaluation.
#
#     UPG=$PWD/target/release/upg examples/slurm/chain.sh 5
set -euo pipefail
cd "$(dirname "$0")/../.."
export UPG=${UPG:-upg} MPI=${MPI:-pmix} # sbatch hands them on
after=
for _ in $(seq "${1:-3}"); do
    # afterany: a job that was stopped at its limit has saved all, and ends with status 1.
    job=$(sbatch --parsable ${after:+"$after"} examples/slurm/train.sh)
    after=--dependency=afterany:${job%%;*} # the name of the cluster may stand behind the number
done
sbatch "$after" --nodes=4 --ntasks-per-node=1 --cpus-per-task=64 --time=01:00:00 \
    --wrap 'srun --mpi="$MPI" --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 "$UPG" evaluate --run runs/u1 --samples 10000000 --threads "$SLURM_CPUS_PER_TASK"'
