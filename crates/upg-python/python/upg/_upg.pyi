"""The Rust part; see the functions and classes of the package for what the arguments mean."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

_Path = str | PathLike[str]

__version__: str

def command(arguments: Sequence[str]) -> int: ...
def check(text: str) -> str: ...
def enter_target(target: object) -> None: ...
def leave_target() -> None: ...
def check_target(
    target: str,
    config: str | None,
    points: npt.NDArray[np.float64] | None,
    samples: int,
    seed: int,
) -> tuple[int, int, float]: ...

class Steps:
    def __init__(
        self,
        config: str | None,
        set: Sequence[str],
        steps: int | None,
        out: _Path,
        resume: bool,
        force: bool,
        device: str,
        threads: int | None,
    ) -> None: ...
    def step(self) -> str: ...
    def save(self) -> None: ...
    def is_done(self) -> bool: ...
    def close(self) -> None: ...

def train(
    config: str | None,
    set: Sequence[str],
    steps: int | None,
    out: _Path,
    resume: bool,
    force: bool,
    device: str,
    threads: int | None,
) -> str: ...
def config(run: _Path) -> str: ...
def evaluate(
    run: _Path,
    samples: int | None,
    seed: int | None,
    out: _Path | None,
    weights: str,
    device: str,
    threads: int | None,
    ode_steps: int | None,
) -> str: ...
def sample(
    run: _Path,
    n: int,
    seed: int | None,
    first: int,
    metropolis: bool,
    dtype: str | None,
    weights: str,
    device: str,
    threads: int | None,
    ode_steps: int | None,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], float | None]: ...
def log_prob(
    run: _Path,
    x: npt.NDArray[Any],
    dtype: str | None,
    weights: str,
    device: str,
    threads: int | None,
    ode_steps: int | None,
) -> npt.NDArray[np.float64]: ...
def report(runs: Sequence[_Path], results: _Path | None, out: _Path | None) -> str: ...
def flow_tensors(path: _Path, weights: str, ode_steps: int | None) -> tuple[str, dict[str, npt.NDArray[Any]]]: ...
def flow_layers(flow: str) -> str: ...
def flow_shapes(flow: str) -> list[tuple[str, list[int]]]: ...
def write_weights(path: _Path, flow: str, tensors: Mapping[str, npt.NDArray[Any]]) -> None: ...
