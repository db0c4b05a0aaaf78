#!/bin/bash
# One flow on 32 cards, four on each of eight nodes: every process takes the card of its number on the node.
#
#     UPG=$PWD/target/release/upg sbatch examples/slurm/cards.sh
#
# in the root of the repository; the notes of train.sh hold here, too.
#SBATCH --job-name=upg
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=upg-%j.log

# All processes of a node have to see all of its cards: no --gpus-per-task, which hides those of the others.
# A gradient of 100 MB is worth its way where each card has thousands of samples.
srun --mpi="${MPI:-pmix}" --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 --cpu-bind=cores \
    "${UPG:-upg}" train --config configs/phi4_realnvp.ron --set training.batch=65536 --set 'data.train=Draw(1000000)' \
    --out runs/phi4 --resume --device cuda --threads "$SLURM_CPUS_PER_TASK"
