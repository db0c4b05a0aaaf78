"""Flows in memory: samples, densities, maps and gradients as arrays."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from . import _upg
from .errors import ArgumentError
from .notation import Spec, ron, shown, whole, whole_or_none, word
from .numbers import precision, real
from .target import Target, using

if TYPE_CHECKING:
    from .flows import FlowSpec
    from .targets import TargetSpec

__all__ = ["Flow", "Gradient"]

Estimator = Literal["PathFast", "Reparam", "PathTwoPass", "PathTwoPassLean", "MaxLikelihood", "Gdreg"]
Divergence = Literal["reverse", "forward"]
Floats = npt.NDArray[np.float64]
"""Numbers per sample, always in double precision."""


@dataclass(frozen=True)
class Gradient:
    """A gradient of a batch, what ``upg gradient`` writes.

    - ``loss``: mean(log q + S) for the reverse KL, a bound on -log Z; mean(-log q) for the forward KL.
    - ``grad``: the gradient by parameter, in the shapes of :attr:`Flow.parameters`; a mean over the batch.
    - ``end``: x = T(z) for the reverse KL, the images z of the data for the forward KL, shape ``[batch, *shape]``.
    - ``log_det``: log|det| of the map applied, of T or of its inverse, shape ``[batch]``.
    - ``log_weights``: -S(x) - log q(x), shape ``[batch]``.
    """

    loss: float
    grad: dict[str, npt.NDArray[Any]]
    end: npt.NDArray[Any]
    log_det: Floats
    log_weights: Floats

    def __repr__(self) -> str:
        return f"Gradient(loss={self.loss!r}, grad of {len(self.grad)} parameters, end {list(self.end.shape)})"


class Flow:
    """A flow x = T(z) with its parameters, held in memory for any number of calls.

    >>> import upg
    >>> flow = upg.Flow(upg.flows.RealNvp(lattice=[4], couplings=2, hidden=[8]), seed=1)
    >>> x, log_q = flow.sample_with_log_prob(1000)  # shapes [1000, 4] and [1000]

    Points are arrays of the shape ``[n, *shape]`` or ``[n, dof]``; angles in radians, modulo 2 pi. Contiguous numbers of the flow's own
    precision that aren't angles are read where they are, others are copied; numbers that are neither ``float32`` nor ``float64`` are taken as
    ``float64``. What comes back is written once, into an array of its own.

    Results are those of the commands ``upg sample``, ``log-prob`` and ``gradient``, to the bit, and don't depend on the number of threads, nor
    on how many points there are in a call. Other threads of Python run meanwhile; a second call with the same flow waits for the first.
    """

    def __init__(
        self,
        flow: FlowSpec | str,
        target: TargetSpec | str | None = None,
        *,
        seed: int = 0,
        dtype: npt.DTypeLike = np.float32,
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> None:
        """A flow with initial parameters: those that a training with this ``seed`` begins with (before layers that start by a batch have seen one).

        :param flow: a description of :mod:`upg.flows`, or its text.
        :param target: the target it is for, where the flow leaves numbers to it; the default of :meth:`gradient` and of log-weights.
        :param seed: decides the parameters, and what is drawn without a seed of its own.
        :param dtype: ``float32`` or ``float64``: the precision of numbers and parameters.
        :param device: ``cpu``, ``cuda``, or ``cuda:N`` for the card number N.
        :param threads: threads of the processor, by default one per core; results don't depend on it.
        :param ode_steps: steps of continuous flows, in the place of those of the description.

        Raises :class:`upg.ConfigError`, with a line for each value that isn't accepted.
        """
        name, seed = precision(dtype) or "float32", whole("seed", seed)
        with using(target):
            made = _upg.Flow.describe(ron(flow), _text(target), None, name, seed, *_place(device, threads, ode_steps))
        self._keep(made, device, threads, target)

    def _keep(self, flow: _upg.Flow, device: str, threads: int | None, target: object) -> None:
        self._flow, self._device, self._threads = flow, device, threads
        self._own = target if isinstance(target, Target) else None

    @classmethod
    def _of(cls, flow: _upg.Flow, device: str, threads: int | None, target: object) -> Flow:
        held = cls.__new__(cls)
        held._keep(flow, device, threads, target)
        return held

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        flow: FlowSpec | str | None = None,
        target: TargetSpec | str | None = None,
        *,
        dtype: npt.DTypeLike | None = None,
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> Flow:
        """The flow of a safetensors file: of :meth:`save`, or a checkpoint of a run.

        :param flow: its description, where the file doesn't have one (it does if upg wrote it).
        :param target: its target, by default that of the file, if there is one.
        :param dtype: by default the precision that the file was written in.
        """
        with using(target):
            made = _upg.Flow.load(path, _text(flow), _text(target), precision(dtype), *_place(device, threads, ode_steps))
        return cls._of(made, device, threads, target)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the parameters into a safetensors file, as docs/WEIGHTS.md has it: for :meth:`load`, the option ``start_from`` of a training, other
        programs. A file that is there is replaced."""
        self._flow.save(path)

    def copy(self) -> Flow:
        """The same flow with parameters of its own."""
        return _restored(*self.__reduce__()[1])

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        flow = self._flow
        facts = (flow.description, self._own or flow.target, flow.dtype, flow.seed, self._device, self._threads, flow.ode_steps)
        return _restored, (*facts, self.parameters)

    def __repr__(self) -> str:
        target = "" if self.target is None else f", {self.target!r}"
        return f"upg.Flow({self.description!r}{target}, dtype={self._flow.dtype!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return tuple(self._flow.shape)

    @property
    def dof(self) -> int:
        """Number of degrees of freedom."""
        return int(np.prod(self._flow.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of numbers and parameters."""
        return np.dtype(self._flow.dtype)

    @property
    def seed(self) -> int:
        """The seed of what is drawn without one: that of the run, or of the initial parameters."""
        return self._flow.seed

    @property
    def description(self) -> str:
        """The text of its description."""
        return self._flow.description

    @property
    def layers(self) -> str:
        """The same as a list of layers: ``Layers(shape: …, base: …, layers: […])``, with every default."""
        return self._flow.layers

    @property
    def target(self) -> str | None:
        """The text of its target, if it has one."""
        return self._flow.target

    @property
    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        """The parameters by name, in the order of the layers: copies. Names and shapes are those of docs/WEIGHTS.md.

        ``flow.parameters = {...}`` puts others in the place of those that are named; what isn't named stays.
        """
        return self._flow.parameters()

    @parameters.setter
    def parameters(self, given: Mapping[str, npt.ArrayLike]) -> None:
        self._flow.set_parameters([(word("parameters", name), real(f"parameters[{name!r}]", numbers)) for name, numbers in _items(given)])

    def sample(self, n: int, seed: int | None = None, *, first: int = 0, metropolis: bool = False) -> npt.NDArray[Any]:
        """Samples x, shape ``[n, *shape]``.

        :param seed: decides them, by default :attr:`seed`: sample number k of a seed is the same whatever it is drawn with.
        :param first: the number of the first.
        :param metropolis: states of an independence Metropolis chain: unbiased samples of the flow's target, correlated.
        """
        return self._draw(n, seed, first, metropolis, False)[0]

    def sample_with_log_prob(self, n: int, seed: int | None = None, *, first: int = 0) -> tuple[npt.NDArray[Any], Floats]:
        """The samples of :meth:`sample`, and log q(x), shape ``[n]``, without the way back."""
        x, log_prob, _ = self._draw(n, seed, first, False, False)
        return x, log_prob

    def sample_weighted(self, n: int, seed: int | None = None, *, first: int = 0) -> tuple[npt.NDArray[Any], Floats]:
        """The samples of :meth:`sample`, and their log-weights -S - log q for the flow's target, shape ``[n]``."""
        x, log_weights, _ = self._draw(n, seed, first, False, True)
        return x, log_weights

    def _draw(
        self, n: int, seed: int | None, first: int, metropolis: bool, weighted: bool
    ) -> tuple[npt.NDArray[Any], Floats, float | None]:
        with using(self._own):
            return self._flow.sample(whole("n", n), whole_or_none("seed", seed), whole("first", first), metropolis, weighted)

    def log_prob(self, x: npt.ArrayLike) -> Floats:
        """log q(x), shape ``[n]``.

        Warns of points that the inverse misses, where a slope of the flow is below the precision: their numbers mean nothing.
        """
        return _told_of_missed(*self._flow.log_prob(real("x", x)))

    def forward(self, z: npt.ArrayLike) -> tuple[npt.NDArray[Any], Floats]:
        """x = T(z), shape ``[n, *shape]``, and log|det dT/dz|, shape ``[n]``."""
        return self._flow.forward(real("z", z))

    def inverse(self, x: npt.ArrayLike) -> tuple[npt.NDArray[Any], Floats]:
        """z with T(z) = x, shape ``[n, *shape]``, and log|det dz/dx|, shape ``[n]``."""
        return self._flow.inverse(real("x", x))

    def score(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """The gradient of log q with respect to x, shape ``[n, *shape]``."""
        return self._flow.score(real("x", x))

    def gradient(
        self,
        target: TargetSpec | str | None = None,
        *,
        batch: int = 256,
        seed: int | None = None,
        first: int = 0,
        z: npt.ArrayLike | None = None,
        x: npt.ArrayLike | None = None,
        estimator: Estimator | str = "PathFast",
        divergence: Divergence | None = None,
    ) -> Gradient:
        """The gradient of a Kullback-Leibler divergence with respect to the parameters.

        Of the reverse one, KL(q‖p): over the samples that :meth:`sample` draws with ``batch``, ``seed`` and ``first``, or over those of base samples
        ``z``. Of the forward one, KL(p‖q): over samples ``x`` of the target.

        :param target: by default that of the flow.
        :param estimator: ``PathFast``, and for the reverse KL ``Reparam``, ``PathTwoPass`` or ``PathTwoPassLean``; for the forward one
            ``MaxLikelihood`` or ``Gdreg``. The names of the command line, ``path-fast``, are accepted, too.
        :param divergence: ``reverse`` or ``forward``; by default the forward one exactly if there are ``x``.

        Numbers that overflow are what they are: infinite, or NaN. Ctrl-C is heard at the end of the batch.
        """
        divergence = divergence or ("reverse" if x is None else "forward")
        given, other = (x, z) if divergence == "forward" else (z, x)
        if other is not None:
            raise ArgumentError(f"divergence = {divergence}: accepted are samples z of the base for the reverse KL, x of the target for the forward one")
        points = None if given is None else real("x" if divergence == "forward" else "z", given)
        numbers = (whole("batch", batch), whole_or_none("seed", seed), whole("first", first))
        with using(self._own if target is None else target):
            return Gradient(*self._flow.gradient(_text(target), word("estimator", estimator), word("divergence", divergence), points, *numbers))


def _restored(
    flow: str,
    target: Target | str | None,
    dtype: str,
    seed: int,
    device: str,
    threads: int | None,
    ode_steps: int | None,
    parameters: dict[str, npt.NDArray[Any]],
) -> Flow:
    made = Flow(flow, target, seed=seed, dtype=dtype, device=device, threads=threads, ode_steps=ode_steps)
    made.parameters = parameters
    return made


def _text(description: Spec | str | None) -> str | None:
    return None if description is None else ron(description)


def _items(given: Mapping[str, npt.ArrayLike]) -> Iterable[tuple[str, npt.ArrayLike]]:
    if not isinstance(given, Mapping):
        raise ArgumentError(f"parameters = {shown(given)}: accepted are arrays by their names")
    return given.items()


def _place(device: str, threads: int | None, ode_steps: int | None) -> tuple[str, int | None, int | None]:
    return word("device", device), whole_or_none("threads", threads), whole_or_none("ode_steps", ode_steps)


def _told_of_missed(log_prob: Floats, missed: int) -> Floats:
    if missed > 0:
        problem = "missed by the inverse, where a slope of the flow is below the precision"
        warnings.warn(f"{missed} of {len(log_prob)} points are {problem}", RuntimeWarning, stacklevel=3)
    return log_prob


def _stamp(run: Path) -> tuple[object, ...]:
    """What changes when a run is trained further."""

    def of(name: str) -> object:
        try:
            found = (run / name).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    return tuple(of(name) for name in ("config.ron", "checkpoint.safetensors", "checkpoint.best.safetensors"))


class _Kept:
    """The flows of a run that were asked for, until it is trained further."""

    MOST = 4

    def __init__(self, run: Path, target: Target | None) -> None:
        self._run, self._target = run, target
        self._stamp: tuple[object, ...] = ()
        self._flows: dict[tuple[object, ...], Flow] = {}

    def __call__(
        self,
        weights: str,
        dtype: npt.DTypeLike | None,
        device: str,
        threads: int | None,
        ode_steps: int | None,
        use: str = "",
    ) -> Flow:
        stamp = _stamp(self._run)
        if stamp != self._stamp:
            self._flows, self._stamp = {}, stamp
        name = precision(dtype)
        asked = (os.getpid(), word("weights", weights), name, device, threads, ode_steps, use)
        if asked not in self._flows:
            with using(self._target):
                made = _upg.Flow.of_run(self._run, weights, name, *_place(device, threads, ode_steps))
            while len(self._flows) >= self.MOST:
                del self._flows[next(iter(self._flows))]
            self._flows[asked] = Flow._of(made, device, threads, self._target)
        return self._flows[asked]
