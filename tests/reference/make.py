"""Writes the cases anew: `python make.py`, or `python make.py glow maf_spline` for some of them."""

import math
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from cases import CASES
from estimators import Problem

FOLDER = Path(__file__).parent / "cases"
BATCH, DATA = 5, 4


def random_tensor(random, name, shape):
    """Larger than at the start of a training: nothing is small, nothing is close to the identity."""
    if name.endswith("weight"):
        bound = 1.5 / math.sqrt(math.prod(shape[1:]))
        values = random.uniform(-bound, bound, shape)
    else:
        values = 0.3 * random.standard_normal(shape) + (1.0 if name == "base.v" else 0.0)
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def samples(random, case, number):
    shape = (number, case.dof)
    values = random.uniform(0, 2 * math.pi, shape) if case.angles else random.standard_normal(shape)
    return torch.tensor(values, dtype=torch.float64)


def make(name):
    case, random = CASES[name](), np.random.default_rng(zlib.crc32(name.encode()))
    theta = {tensor: random_tensor(random, tensor, shape) for tensor, shape in case.built.shapes().items()}
    z, x = samples(random, case, BATCH), samples(random, case, DATA)
    problem = Problem(case.built, theta, case.action)
    expected = problem.reverse(z) | problem.forward(x)

    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.ron").write_text(case.config())
    np.save(folder / "z.npy", z.numpy())
    np.save(folder / "x_data.npy", x.numpy())
    for file, tensors in (("params", theta), ("expected", expected)):
        save_file({key: value.detach().contiguous() for key, value in tensors.items()}, folder / f"{file}.safetensors")
    return len(expected)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for name in sys.argv[1:] or CASES:
        print(f"{name}: {make(name)} tensors")
