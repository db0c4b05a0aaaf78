"""Training, and runs in their folders."""

from __future__ import annotations

import functools
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar, cast

import numpy as np

from . import _upg
from .errors import ArgumentError, RunError
from .flow import Flow, _Kept, _place
from .notation import Spec, ron, shown, whole, whole_or_none, word
from .numbers import precision, real
from .progress import Progress, steps_in
from .sections import PATHS
from .sources import File
from .target import Target, using

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Unpack

    from .diagnostics import Kind
    from .flows import FlowSpec
    from .sections import DataFields, EvaluationFields, PrecisionFields, TrainingFields
    from .sources import SourceSpec
    from .targets import TargetSpec
    from .torch import Flow as Module

__all__ = ["Run", "check", "load", "report", "train"]

Weights = Literal["best", "latest", "ema"]
Data: TypeAlias = "DataFields | Mapping[str, npt.ArrayLike | SourceSpec] | str"


def _config(
    flow: FlowSpec | str,
    target: TargetSpec | str,
    training: Mapping[str, object],
    data: DataFields | str | None,
    evaluation: EvaluationFields | str | None,
    products: PrecisionFields | str | None,
) -> str:
    """The text of a configuration, a section a line; what isn't given isn't there."""
    told = {name: Path(cast(str, value)) if name in PATHS and value is not None else value for name, value in training.items()}
    sections = {
        "flow": flow,
        "target": target,
        "training": told or None,
        "data": data,
        "evaluation": evaluation,
        "precision": products,
    }
    lines = [f"    {name}: {ron(value)},\n" for name, value in sections.items() if value is not None]
    return f"(\n{''.join(lines)})\n"


def _kept_data(data: Data | None, out: str | os.PathLike[str], force: bool) -> DataFields | str | None:
    """The same with arrays in files, in the folder of a run that is to be."""
    if data is None or isinstance(data, str):
        return data
    told: dict[str, Any] = dict(data)
    arrays = {name: of for name, of in told.items() if name in ("train", "test") and not isinstance(of, (str, Spec)) and of is not None}
    folder = Path(out).absolute()
    for name, of in arrays.items():
        array = real(f"data.{name}", of)
        if array.ndim < 2:
            raise ArgumentError(f"data.{name} of shape {list(array.shape)}: accepted is [n, *shape], or upg.sources.Draw or File")
        path = folder / f"given_{name}.npy"
        told[name] = File(path)
        if (folder / "config.ron").exists() and not force:
            continue  # which is refused
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".given", delete=False) as file:
            np.save(file, np.ascontiguousarray(array))
        os.replace(file.name, path)
    return cast("DataFields", told)


def check(
    flow: FlowSpec | str,
    target: TargetSpec | str,
    *,
    data: DataFields | str | None = None,
    evaluation: EvaluationFields | str | None = None,
    products: PrecisionFields | str | None = None,
    **training: Unpack[TrainingFields],
) -> str:
    """Checks what :func:`train` would be given.

    Returns the text of the configuration with every default spelled out: a file for ``upg train --config``.

    Raises :class:`upg.ConfigError`, with a line for each value that isn't accepted.
    """
    with using(target):
        return _upg.check(_config(flow, target, training, data, evaluation, products))


def train(
    flow: FlowSpec | str,
    target: TargetSpec | str,
    *,
    out: str | os.PathLike[str] = "runs/run",
    data: Data | None = None,
    evaluation: EvaluationFields | str | None = None,
    products: PrecisionFields | str | None = None,
    force: bool = False,
    stop_after: int | None = None,
    device: str = "cpu",
    threads: int | None = None,
    progress: bool | None = None,
    **training: Unpack[TrainingFields],
) -> Run:
    """Trains a flow to sample a target, as ``upg train`` does, to the bit.

    :param flow: a description of :mod:`upg.flows`, or its text.
    :param target: one of :mod:`upg.targets`, or its text, or a :class:`upg.Target` of one's own.
    :param out: the folder of the run; with ``force=True`` a run that is there is deleted.
    :param data: samples of the target, as ``{"train": upg.sources.Draw(10000)}``, or as arrays of the shape ``[n, *shape]``, which are kept in the folder of
        the run; drawn where the objective needs some.
    :param evaluation: the section ``evaluation``.
    :param products: the section ``precision``: how accelerators multiply.
    :param stop_after: stop after so many steps; schedules keep to ``steps``, and :meth:`Run.resume` goes on.
    :param device: ``cpu``, ``cuda``, or ``cuda:N`` for the card number N.
    :param threads: threads of the processor, by default one per core; results don't depend on it.
    :param progress: whether a line on ``sys.stderr`` says how far the training is; by default in terminals and notebooks.
    :param training: the fields of the section ``training``: ``steps``, ``batch`` (samples per step), ``seed``, ``objective``
        (``"Reverse(PathFast)"``), ``optimiser`` (``upg.optimisers.Adam(rate=1e-3)``), ``schedule`` and so on. What isn't given has the
        default that ``upg config schema`` states.

    Other threads run meanwhile. Ctrl-C leaves a checkpoint and raises KeyboardInterrupt.
    """
    text = _config(flow, target, training, _kept_data(data, out, force), evaluation, products)
    with using(target), Progress(Path(out), stop_after or steps_in(_upg.check(text)), progress):
        _upg.train(text, [], whole_or_none("stop_after", stop_after), out, False, force, *_place(device, threads, None)[:2])
    return Run(out, target=target if isinstance(target, Target) else None)


def load(run: str | os.PathLike[str], *, target: Target | None = None) -> Run:
    """The run in a folder, be it made by :func:`train` or by the command ``upg train``.

    :param target: that of the run, if it is one of one's own, ``Python(function: …)`` without a file in the configuration: a :class:`upg.Target` of
        the same name. The metrics can be read without it.
    """
    return Run(run, target=target)


Arguments = ParamSpec("Arguments")
Outcome = TypeVar("Outcome")


def _with_target(method: Callable[Concatenate[Run, Arguments], Outcome]) -> Callable[Concatenate[Run, Arguments], Outcome]:
    """The method with the target of the run at hand."""

    @functools.wraps(method)
    def known(self: Run, /, *args: Arguments.args, **named: Arguments.kwargs) -> Outcome:
        with using(self.target):
            return method(self, *args, **named)

    return known


def report(
    *runs: Run | str | os.PathLike[str],
    results: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes one HTML page of one or several runs side by side; returns its path, by default ``report.html`` in the first run."""
    if not runs:
        raise ArgumentError("runs: none: accepted is at least one")
    folders = [run.path if isinstance(run, Run) else Path(run) for run in runs]
    _upg.report(folders, results, out)
    return Path(out) if out is not None else folders[0] / "report.html"


class Run:
    """A run in its folder. Everything is that of the latest checkpoint: weights that were read are kept for the next call, and read again when the
    files of the run have changed.

    Attributes:

    - ``path``: the folder.
    - ``config``: the configuration, a text with every default spelled out.
    - ``target``: the target that was handed in, None unless it is one of one's own.
    """

    def __init__(self, path: str | os.PathLike[str], *, target: Target | None = None) -> None:
        self.path = Path(path)
        self.target = target
        self.config = _upg.config(self.path)
        self._kept = _Kept(self.path, target)

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[Path, Target | None]]:
        return _loaded, (self.path, self.target)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        target = "" if self.target is None else f", target={self.target!r}"
        return f"upg.load({str(self.path)!r}{target})"

    @property
    def metrics(self) -> dict[str, npt.NDArray[np.float64]]:
        """What was logged of the training, by name, one number a logged step; NaN where a step hasn't got it.

        ``step``, ``loss`` (natural units: an average of log q + S for the reverse divergence), ``ess_reverse`` and ``ess_forward`` (in
        [0, 1]), ``grad_norm``, ``rate``, ``seconds`` (of training so far, over all sessions), ``samples_per_second``, ``skipped`` (so far); numbers of
        validations are called ``validation.loss`` and so on, and are NaN at all other steps: ``where = np.isfinite(metrics["validation.loss"])``.
        """
        if not self.path.is_dir():
            raise RunError(f"run = {self.path}: it is missing: accepted is the folder of a run")
        path = self.path / "metrics.jsonl"
        lines = [_flat(line) for line in _logged(path)] if path.exists() else []
        names = dict.fromkeys(name for line in lines for name in line)
        return {name: np.array([line.get(name, np.nan) for line in lines], dtype=float) for name in names}

    @property
    def summary(self) -> dict[str, Any] | None:
        """The results of the latest evaluation in the folder, None before the first; ``["weights_of"]`` says after which step of the training it was."""
        path = self.path / "summary.json"
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RunError(f"{path}: it is damaged: accepted is what evaluate() wrote")
        return found

    @_with_target
    def resume(
        self,
        *,
        stop_after: int | None = None,
        device: str = "cpu",
        threads: int | None = None,
        set: Sequence[str] = (),
        progress: bool | None = None,
    ) -> Run:
        """Goes on from the checkpoint, bit for bit as if the run had never stopped; returns the run.

        :param stop_after: stop after so many steps in all.
        :param set: other values for fields that don't decide what is computed: ``training.log_every``, ``training.checkpoint``, ``training.abort_after``,
            ``training.tensorboard``, ``precision`` and ``evaluation``, as ``["training.checkpoint.every=500"]``. A longer training, or another rate, is one of its own that
            begins with the weights of this: ``upg.train(…, start_from=run)``.
        :param progress: as for :func:`train`.
        """
        with Progress(self.path, stop_after or steps_in(self.config), progress):
            _upg.train(None, overrides(set), whole_or_none("stop_after", stop_after), self.path, True, False, *_place(device, threads, None)[:2])
        return Run(self.path, target=self.target)

    @_with_target
    def evaluate(
        self,
        *,
        samples: int | None = None,
        seed: int | None = None,
        out: str | os.PathLike[str] | None = None,
        weights: Weights = "best",
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> dict[str, Any]:
        """The worth of the trained flow: effective sample sizes, log Z, a Markov chain, observables, with errors.

        Returns what ``upg evaluate`` writes into ``summary.json``. Numbers with errors are ``{"value", "error", "interval", "rests_on", "exact"}``, None where they aren't
        known. value ± error holds the number with a probability of 68.3 %, the interval with one of 95.4 %: to second order, so that they mean it where weights are
        skewed, too. As many samples as ``rests_on`` carry the error; below ten it isn't known:

        - ``log_z``, with ``trusted`` and ``warnings`` besides; ``free_energy_per_site``; ``observables``, by name, from weighted samples, and
          ``observables_chain`` along the chain, with ``tau_int``; ``log_z_forward`` and ``nll`` (-log q) on test data, where there are some;
        - ``ess_reverse``, ``ess_forward`` (with test data), ``acceptance`` of the chain, in [0, 1]; ``tau_int`` in states, with ``tau_int_error``;
        - ``loss``, mean(log q + S), with ``loss_error``; ``largest_share`` of a weight; ``tail_index`` of the weights, of their largest tenth
          (``tail_index_of_tenth``) and of weights times observables (``tail_index_primaries``);
        - ``missed_by_inverse``, ``integration`` (continuous flows), ``observables_warnings``, ``chain_warnings``, ``weights``, ``weights_of``, ``provenance``.

        log Z is that of what the flow covers: that it misses a mode is seen where there are samples of the target, ``data={"test": …}`` of :func:`train`.

        :param samples: samples of the flow, at least 2, by default ``evaluation.samples`` of the configuration.
        :param seed: decides the samples, by default that of the run.
        :param out: a folder for the results, by default that of the run.
        :param weights: those of the best validation, of the latest checkpoint, or the moving average there.
        :param ode_steps: steps of continuous flows.
        """
        numbers = (whole_or_none("samples", samples), whole_or_none("seed", seed))
        place = _place(device, threads, ode_steps)
        _upg.evaluate(self.path, numbers[0], numbers[1], out, word("weights", weights), place[0], place[1], place[2])
        folder = self.path if out is None else Path(out)
        return cast("dict[str, Any]", json.loads((folder / "summary.json").read_text()))

    @property
    def flow(self) -> Flow:
        """The trained flow as it is evaluated, with the best weights, in the precision of the training: the same object until the run is trained further."""
        return self._kept("best", None, "cpu", None, None, "flow")

    @_with_target
    def load_flow(
        self,
        *,
        weights: Weights = "best",
        dtype: npt.DTypeLike | None = None,
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> Flow:
        """The trained flow with parameters of its own.

        :param dtype: ``float32`` or ``float64``, by default that of the training.
        :param ode_steps: steps of continuous flows, by default those of the evaluation, else of the training.
        """
        return Flow._of(_upg.Flow.of_run(self.path, word("weights", weights), precision(dtype), *_place(device, threads, ode_steps)), device, threads, self.target)

    @_with_target
    def hmc(
        self,
        samples: int | None = None,
        seed: int | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        threads: int | None = None,
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """The target of the run by its own sampler, for comparison; see :func:`upg.hmc` for what is returned.

        Both are written into the folder ``hmc`` of the run, as ``upg hmc --run`` does, and ``run.report()`` shows them.

        :param samples: by default as many as the test data of the configuration.
        :param seed: by default that of the run.
        :param out: a folder for the results, by default that of the run.
        """
        _upg.hmc_of_run(self.path, whole_or_none("samples", samples), whole_or_none("seed", seed), out, whole_or_none("threads", threads))
        folder = (self.path if out is None else Path(out)) / "hmc"
        return np.load(folder / "samples.npy"), cast("dict[str, Any]", json.loads((folder / "hmc.json").read_text()))

    @_with_target
    def variance(
        self,
        *,
        repetitions: int = 100,
        batch: int = 64,
        seed: int | None = None,
        out: str | os.PathLike[str] | None = None,
        weights: Weights = "best",
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> dict[str, Any]:
        """How noisy each estimator of the gradient is: variances, ratios and norms with errors, in ``["estimators"]``.

        Returns what ``upg variance`` writes into ``variance.json``: for each estimator its ``divergence``, ``estimator``, and with errors the ``variance``
        of the gradient, its ``ratio`` to that of the ordinary one, the ``norm`` of the mean, and the signal-to-noise ratio.

        :param repetitions: gradients of each estimator, at least 20.
        :param batch: samples of each gradient.
        """
        numbers = (whole("repetitions", repetitions), whole("batch", batch), whole_or_none("seed", seed))
        _upg.variance_of_run(self.path, *numbers, out, word("weights", weights), *_place(device, threads, ode_steps))
        folder = self.path if out is None else Path(out)
        return cast("dict[str, Any]", json.loads((folder / "variance.json").read_text()))

    @_with_target
    def calibrate(
        self,
        *,
        samples: Sequence[int] = (200, 2000, 20000),
        runs: int = 1000,
        seed: int | None = None,
        out: str | os.PathLike[str] | None = None,
        force: bool = False,
        weights: Weights = "best",
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> dict[str, Any]:
        """Whether the errors of an evaluation mean what they say: ``runs`` evaluations with each number of samples, by seeds that follow each other, as if nobody
        knew the answers, and then how far they are off. The target must have exact values.

        Returns what ``upg calibrate`` writes into ``calibration.json``: in ``["samples"]`` by the number of samples, for each number the ``mean`` and the
        ``width`` of the pulls (0 and 1 where all is well), the ``coverage`` within one, two and three standard errors, and the ``verdicts`` on log Z. Evaluations
        that are in the folder already aren't made again.

        :param seed: of the first evaluation, by default that of the run.
        :param out: a folder for the results, by default ``calibration`` in that of the run.
        :param force: delete what evaluations there are in the folder.
        """
        numbers = ([whole("samples", number) for number in samples], whole("runs", runs), whole_or_none("seed", seed))
        _upg.calibrate_run(self.path, *numbers, out, force, word("weights", weights), *_place(device, threads, ode_steps))
        folder = self.path / "calibration" if out is None else Path(out)
        return cast("dict[str, Any]", json.loads((folder / "calibration.json").read_text()))

    @_with_target
    def sample(
        self,
        n: int,
        seed: int | None = None,
        *,
        first: int = 0,
        metropolis: bool = False,
        dtype: npt.DTypeLike | None = None,
        weights: Weights = "best",
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> npt.NDArray[Any]:
        """Samples of the flow, shape ``[n, *shape]`` with that of a sample of the target; angles in radians.

        :param seed: decides them, by default that of the run: sample number k of a seed is the same whatever it is drawn with.
        :param first: the number of the first.
        :param metropolis: states of an independence Metropolis chain: unbiased samples of the target, correlated.
        :param dtype: ``float32`` or ``float64``, by default that of the training.
        """
        return self._kept(weights, dtype, device, threads, ode_steps).sample(n, seed, first=first, metropolis=metropolis)

    @_with_target
    def sample_weighted(
        self,
        n: int,
        seed: int | None = None,
        *,
        first: int = 0,
        dtype: npt.DTypeLike | None = None,
        weights: Weights = "best",
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        """The samples of :meth:`sample`, and their log-weights -S - log q, shape ``[n]``."""
        return self._kept(weights, dtype, device, threads, ode_steps).sample_weighted(n, seed, first=first)

    @_with_target
    def log_prob(
        self,
        x: npt.ArrayLike,
        *,
        dtype: npt.DTypeLike | None = None,
        weights: Weights = "best",
        device: str = "cpu",
        threads: int | None = None,
        ode_steps: int | None = None,
    ) -> npt.NDArray[np.float64]:
        """log q(x), shape ``[n]``, at points of the shape ``[n, *shape]`` or ``[n, dof]``; angles modulo 2 pi.

        Numbers that aren't those of ``float32`` or ``float64`` are taken as ``float64``. Contiguous numbers in the precision of the
        computation aren't copied.
        """
        return self._kept(weights, dtype, device, threads, ode_steps).log_prob(x)

    def to_torch(self, dtype: Any = None, *, weights: Weights = "best", ode_steps: int | None = None) -> Module:
        """The trained flow as a module of PyTorch, see :func:`upg.to_torch`."""
        from .interchange import to_torch

        return to_torch(self, dtype, weights=weights, ode_steps=ode_steps)

    def to_arviz(self, n: int = 1000, seed: int | None = None, *, chains: int = 4, kind: Kind = "metropolis", weights: Weights = "best") -> Any:
        """Samples of the target for ArviZ, see :func:`upg.to_arviz`."""
        from .diagnostics import to_arviz

        return to_arviz(self, n, seed, chains=chains, kind=kind, weights=weights)

    def report(self, out: str | os.PathLike[str] | None = None) -> Path:
        """Writes one HTML page about the run; returns its path."""
        return report(self, out=out)


def _loaded(path: Path, target: Target | None) -> Run:
    return Run(path, target=target)


def _logged(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of the metrics. Those that are damaged are told of, but for the beginning of one at the end."""
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            yield found
        else:
            warnings.warn(f"{path}: line {number} is damaged, and left out", RuntimeWarning, stacklevel=4)


def overrides(set: Sequence[str]) -> list[str]:
    """Values for fields, ``FIELD=VALUE``."""
    if isinstance(set, str) or not isinstance(set, Sequence) or not all(isinstance(one, str) for one in set):
        raise ArgumentError(f"set = {shown(set)}: accepted is a list of texts FIELD=VALUE")
    return list(set)


def _flat(line: Mapping[str, Any], before: str = "") -> dict[str, float]:
    """The numbers of a line, those inside by the names around them; None as NaN."""
    found: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif value is None or isinstance(value, (int, float)):
            found[before + name] = float("nan") if value is None else value
    return found
