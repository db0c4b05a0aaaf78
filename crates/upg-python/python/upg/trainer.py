"""Trainings step by step, for loops of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from . import _upg
from .flow import Flow, _place
from .run import Data, Run, _config, _flat, _kept_data, overrides
from .target import Target, using

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .flows import FlowSpec
    from .sections import EvaluationFields, PrecisionFields, TrainingFields
    from .targets import TargetSpec

__all__ = ["Trainer"]


class Trainer:
    """A training that goes on when it is told to, and leaves the very run that :func:`upg.train` would.

    >>> with upg.Trainer(flow, target, steps=1000, out="runs/mine") as trainer:  # doctest: +SKIP
    ...     for metrics in trainer:
    ...         if metrics["ess_reverse"] > 0.9:
    ...             break

    The arguments are those of :func:`upg.train`. Tests, lines of ``metrics`` and checkpoints are made when they are due; the folder of the run is locked until
    :meth:`close`, which leaving ``with`` does, after all is saved. Ctrl-C is answered between steps. A training whose target has failed
    can't go on; :meth:`resume` makes another that does, from the last checkpoint.
    """

    def __init__(
        self,
        flow: FlowSpec | str,
        target: TargetSpec | str,
        *,
        out: str | os.PathLike[str] = "runs/run",
        data: Data | None = None,
        evaluation: EvaluationFields | str | None = None,
        products: PrecisionFields | str | None = None,
        force: bool = False,
        device: str = "cpu",
        threads: int | None = None,
        **training: Unpack[TrainingFields],
    ) -> None:
        text = _config(flow, target, training, _kept_data(data, out, force), evaluation, products)
        self._begin(text, [], out, False, force, device, threads, target if isinstance(target, Target) else None)

    @classmethod
    def resume(
        cls,
        run: Run | str | os.PathLike[str],
        *,
        target: Target | None = None,
        set: Sequence[str] = (),
        device: str = "cpu",
        threads: int | None = None,
    ) -> Self:
        """Goes on with a run from its checkpoint.

        :param target: that of the run, if it is one of one's own and the run doesn't know it.
        :param set: other values for fields, as in :meth:`upg.Run.resume`.
        """
        of_run = run.target if isinstance(run, Run) and target is None else target
        trainer = cls.__new__(cls)
        trainer._begin(None, overrides(set), run.path if isinstance(run, Run) else run, True, False, device, threads, of_run)
        return trainer

    def _begin(
        self,
        text: str | None,
        set: list[str],
        out: str | os.PathLike[str],
        resume: bool,
        force: bool,
        device: str,
        threads: int | None,
        target: Target | None,
    ) -> None:
        self.path = Path(out)
        self.target = target
        with using(target):
            self._steps = _upg.Steps(text, set, None, out, resume, force, *_place(device, threads, None)[:2])

    def step(self) -> dict[str, float]:
        """Makes a step; returns its numbers, by the names that :attr:`upg.Run.metrics` has, NaN for those it hasn't got.

        After the last one all is saved. A skipped step has a NaN as ``loss`` or ``grad_norm``, and ``skipped`` counts it.
        """
        return _flat(json.loads(self._steps.step()))

    def __iter__(self) -> Iterator[dict[str, float]]:
        """The numbers of each step that is left, which is made when they are asked for."""
        while not self.is_done:
            yield self.step()

    @property
    def is_done(self) -> bool:
        """Whether all steps are made; after :meth:`close`, whether they were."""
        return self._steps.is_done()

    def save(self) -> None:
        """Writes a checkpoint."""
        self._steps.save()

    @property
    def run(self) -> Run:
        """The run, as it is saved: after :meth:`save`, that of the last step."""
        return Run(self.path, target=self.target)

    @property
    def flow(self) -> Flow:
        """The flow with the parameters of the last step, a copy of them, held in memory. All is saved before, as by :meth:`save`."""
        self.save()
        return self.run.load_flow(weights="latest")

    def close(self) -> None:
        """Unlocks the folder; what wasn't saved is lost."""
        self._steps.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None) -> None:
        try:
            if error is None or isinstance(error, KeyboardInterrupt):
                self.save()
        finally:
            self.close()
