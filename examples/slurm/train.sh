#!/bin/bash
# One flow on four nodes, a process on each with all of its cores. Submitted again and again it goes on where it stopped:
# sbatch examples/slurm/train.sh, in the root of the repository.
#SBATCH --job-name=upg
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=04:00:00
# Two minutes before the time is up all processes get SIGTERM: the run saves the step that is under way, and ends with status 1.
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=upg-%j.log

# Where one process ends badly the others have to end, too; half a minute (KillWait) is left to the first one to save.
srun --mpi=pmix --kill-on-bad-exit=1 --cpu-bind=cores \
    upg train --config configs/phi4_realnvp.ron --out runs/phi4 --resume --threads "$SLURM_CPUS_PER_TASK"
