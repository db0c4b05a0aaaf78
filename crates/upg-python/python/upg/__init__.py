"""Fast and unified path gradients for normalizing flows.

A flow and a target are described, the flow is trained, and what comes of it is a run in a folder, the same as that of the command ``upg``:

>>> import upg
>>> flow = upg.flows.RealNvp(lattice=[4, 4], couplings=4, hidden=[32], mask="Checkerboard")
>>> target = upg.targets.Phi4(lattice=[4, 4], kappa=0.2, lambda_=0.1)
>>> run = upg.train(flow, target, steps=1000, batch=256, out="runs/first")  # doctest: +SKIP
>>> run.evaluate()["log_z"]  # doctest: +SKIP
>>> x = run.sample(1000)  # shape [1000, 4, 4]  # doctest: +SKIP

Numbers have the units of the action: exp(-S) is the density of the target, without its normalisation.
"""

import atexit as _atexit
from importlib.util import find_spec as _find_spec

if _find_spec("numpy") is None:
    raise ImportError("upg needs NumPy, which isn't installed: pip install numpy")

from . import (
    _upg,
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
from .flow import Flow, Gradient
from .interchange import from_torch_state, to_torch
from .run import Run, check, load, report, train
from .statistics import Autocorrelation, LogZ, autocorrelation, ess, integrated_time, log_z, metropolis, psis
from .target import Checked, Target, check_target, from_jax, from_numpy, from_torch
from .tools import flow_info, flow_table, get_include, hmc, schema
from .trainer import Trainer

_atexit.register(_upg.end_all)

__all__ = [
    "ArgumentError",
    "Autocorrelation",
    "Checked",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "Flow",
    "Gradient",
    "LogZ",
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
    "autocorrelation",
    "bases",
    "check",
    "check_target",
    "errors",
    "ess",
    "fields",
    "flow_info",
    "flow_table",
    "flows",
    "from_jax",
    "from_numpy",
    "from_torch",
    "from_torch_state",
    "get_include",
    "hmc",
    "integrated_time",
    "layer_masks",
    "layers",
    "load",
    "log_z",
    "masks",
    "metropolis",
    "nets",
    "objectives",
    "optimisers",
    "orders",
    "psis",
    "report",
    "schedules",
    "schema",
    "sources",
    "targets",
    "to_arviz",
    "to_torch",
    "train",
    "transforms",
]
