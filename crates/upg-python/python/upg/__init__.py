"""Fast and unified path gradients for normalizing flows.

A flow and a target are described, the flow is trained, and what comes of it is a run in a folder, the same as that of the command ``upg``:

>>> import upg
>>> flow = upg.flows.RealNvp(lattice=[4, 4], couplings=4, hidden=[32], mask="Checkerboard")
>>> target = upg.targets.Phi4(lattice=[4, 4], kappa=0.2, lambda_=0.1)
>>> run = upg.train(flow, target, steps=1000, batch=256, out="runs/first")  # doctest: +SKIP
>>> run.evaluate()["reverse"]  # doctest: +SKIP
>>> x = run.sample(1000)  # shape [1000, 4, 4]  # doctest: +SKIP

Numbers have the units of the action: exp(-S) is the density of the target, without its normalisation.
"""

from . import (
    activations,
    angle_transforms,
    anneals,
    bases,
    errors,
    fields,
    flows,
    layer_masks,
    layers,
    masks,
    nets,
    objectives,
    optimisers,
    orders,
    schedules,
    sources,
    targets,
    transforms,
)
from ._upg import __version__
from .diagnostics import to_arviz
from .errors import (
    ArgumentError,
    ConfigError,
    DataError,
    DeviceError,
    DivergedError,
    OutputError,
    RunError,
    TargetError,
    UpgError,
)
from .interchange import from_torch_state, to_torch
from .run import Run, check, load, report, train
from .target import Target, check_target, from_jax, from_numpy, from_torch
from .trainer import Trainer

__all__ = [
    "ArgumentError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "OutputError",
    "Run",
    "RunError",
    "Target",
    "TargetError",
    "Trainer",
    "UpgError",
    "__version__",
    "activations",
    "angle_transforms",
    "anneals",
    "bases",
    "check",
    "check_target",
    "errors",
    "fields",
    "flows",
    "from_jax",
    "from_numpy",
    "from_torch",
    "from_torch_state",
    "layer_masks",
    "layers",
    "load",
    "masks",
    "nets",
    "objectives",
    "optimisers",
    "orders",
    "report",
    "schedules",
    "sources",
    "targets",
    "to_arviz",
    "to_torch",
    "train",
    "transforms",
]
