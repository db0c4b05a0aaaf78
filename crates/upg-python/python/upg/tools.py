"""What the commands ``upg hmc``, ``flows`` and ``config schema`` tell, as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from . import _upg
from .errors import ArgumentError
from .notation import ron, shown, whole, whole_or_none
from .numbers import precision
from .target import using

if TYPE_CHECKING:
    from .targets import TargetSpec

__all__ = ["flow_info", "flow_table", "get_include", "hmc", "schema"]


def get_include() -> str:
    """The folder of ``upg_target.h``, which declares what a library with a target has: ``cc -shared -fPIC -I$(python -c "import upg; print(upg.get_include())") …``."""
    return str(Path(__file__).parent / "include")


def hmc(
    target: TargetSpec | str,
    samples: int = 10_000,
    seed: int = 0,
    *,
    chains: int | None = None,
    warm_up: int | None = None,
    thin: int | None = None,
    length: float | None = None,
    dtype: npt.DTypeLike = np.float32,
    threads: int | None = None,
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """A target by its own sampler, an exact one or HMC: what the samples of a flow are to be compared with.

    Returns the samples in the order of time, shape ``[samples, *shape]``, sample i being of chain i mod ``chains``, and a dict with observables, their
    errors, autocorrelation times, acceptances and warnings: those of ``upg hmc``.

    :param seed: decides them.
    :param chains: number of independent chains.
    :param warm_up: sweeps before the first sample, in which the step size is tuned.
    :param thin: sweeps from one sample of a chain to the next.
    :param length: length of a trajectory.
    :param dtype: ``float32`` or ``float64``.

    Ctrl-C is heard after every few sweeps.
    """
    options = {"chains": chains, "warm_up": warm_up, "thin": thin, "length": length}
    numbers = (whole("samples", samples), whole("seed", seed))
    with using(target):
        x, summary = _upg.hmc_of_target(ron(target), ron(options), *numbers, precision(dtype) or "float32", whole_or_none("threads", threads))
    return x, cast("dict[str, Any]", json.loads(summary))


def flow_table(lattice: Sequence[int] = (16, 8)) -> list[dict[str, Any]]:
    """The flows there are, each with what it is good for, its description on a lattice, parameters, multiply-adds and devices: ``upg flows``."""
    return cast("list[dict[str, Any]]", json.loads(_upg.flow_table(None, _extents(lattice))))


def flow_info(name: str, lattice: Sequence[int] = (16, 8)) -> dict[str, Any]:
    """All about one flow on a lattice: its fields, layers and tensors, and an experiment with it: ``upg flows NAME``."""
    return cast("dict[str, Any]", json.loads(_upg.flow_table(name, _extents(lattice))))


def schema() -> str:
    """A documented example of every field of a configuration: ``upg config schema``."""
    return _upg.schema()


def _extents(lattice: Sequence[int]) -> str:
    if isinstance(lattice, str) or not isinstance(lattice, Iterable):
        raise ArgumentError(f"lattice = {shown(lattice)}: accepted are extents, as [16, 8]")
    return ",".join(str(whole("lattice", extent)) for extent in lattice)
