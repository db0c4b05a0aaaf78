#!/bin/sh
# Runs the check of the card in this folder; results go to the folder `results` here, or to the first argument.
# Usage: sh run.sh [RESULTS]. It needs Linux on x86-64, with the glibc of the machine that made this folder or a later one.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
results=${1:-$here/results}
case $results in /*) ;; *) results=$PWD/$results ;; esac
cd "$here" || exit 1

# The program, and kernels compiled before.
[ -x upg-gpu-check ] || tar -xzf packed.tar.gz || exit 1

# CUDA's libraries: those of Python's packages, whose folders have names such as nvidia/cu13/lib or nvidia/cublas/lib, and those of CUDA's own folders.
site=$(python3 -c 'import site, sys; print("\n".join(site.getsitepackages() + [site.getusersitepackages()]))' 2>/dev/null)
for folder in $site; do
    for lib in "$folder"/nvidia/*/lib; do
        [ -d "$lib" ] && LD_LIBRARY_PATH="$LD_LIBRARY_PATH${LD_LIBRARY_PATH:+:}$lib"
    done
done
for lib in /usr/local/cuda/lib64 /usr/local/cuda-*/lib64 /usr/local/nvidia/lib64 /usr/lib/wsl/lib; do
    [ -d "$lib" ] && LD_LIBRARY_PATH="$LD_LIBRARY_PATH${LD_LIBRARY_PATH:+:}$lib"
done
for bin in /usr/local/cuda/bin /usr/local/cuda-*/bin; do
    [ -d "$bin" ] && PATH="$PATH:$bin"
done
export LD_LIBRARY_PATH PATH

# Kernels compiled before are for machines without NVRTC, and save the time; what is compiled here goes to a folder of its own.
[ -d cubins ] && export UPG_CUBINS_DIR="$PWD/cubins"
export UPG_CACHE_DIR="$PWD/cache"
mkdir -p "$UPG_CACHE_DIR"

exec ./upg-gpu-check gpu-check --golden golden --out "$results"
