#!/bin/bash
# One flow on four nodes, a process on each with all of its cores. Submitted again and again it goes on where it stopped:
#
#     UPG=$PWD/target/release/upg sbatch examples/slurm/train.sh
#
# in the root of the repository, with what your cluster asks for besides (--account, --partition, module load …). The program has to be built with
# --features mpi, by the MPI that srun knows: `srun --mpi=list`; pmix for Open MPI, pmi2 for most builds of MPICH.
#SBATCH --job-name=upg
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=04:00:00
# Two minutes before the time is up all processes get SIGTERM: the run saves the step that is under way, and ends with status 1.
#SBATCH --signal=TERM@120
# After a node has failed; at the limit of time a job isn't queued again: chain.sh.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=upg-%j.log

# srun doesn't take the cores of a task from the job by itself. Where one process ends badly the others have to end, too.
# A batch of 8192 is 2048 samples for each process: docs/SCALING.md says how many are worth a step.
srun --mpi="${MPI:-pmix}" --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 --cpu-bind=cores \
    "${UPG:-upg}" train --config configs/u1_16x16_beta3.ron --set training.batch=8192 --out runs/u1 --resume --threads "$SLURM_CPUS_PER_TASK"
