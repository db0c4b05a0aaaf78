# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""The sections of a configuration behind the flow and the target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from .anneals import AnnealSpec
    from .objectives import ObjectiveSpec
    from .optimisers import OptimiserSpec
    from .schedules import ScheduleSpec
    from .sources import SourceSpec

PATHS = frozenset(["start_from"])
"""Fields that hold the name of a file or a folder."""


class TrainingValidationFields(TypedDict, total=False):
    """See ``upg config schema``."""

    every: int | None
    samples: int | None
    keep: Literal["Loss", "ReverseEss", "ForwardEss", "Last"] | None


class TrainingCheckpointFields(TypedDict, total=False):
    """See ``upg config schema``."""

    every: int | None
    minutes: float | None


class TrainingFields(TypedDict, total=False):
    """See ``upg config schema``."""

    steps: int | None
    batch: int | None
    seed: int | None
    start_from: str | Path | None
    precision: Literal["F32", "F64"] | None
    objective: ObjectiveSpec | str | None
    optimiser: OptimiserSpec | str | None
    schedule: ScheduleSpec | str | None
    warm_up: int | None
    clip: float | None
    ema: float | None
    anneal: AnnealSpec | str | None
    validation: TrainingValidationFields | str | None
    checkpoint: TrainingCheckpointFields | str | None
    log_every: int | None
    abort_after: int | None
    tensorboard: Literal["Off", "On"] | None


class PrecisionFields(TypedDict, total=False):
    """See ``upg config schema``."""

    products: Literal["Full", "Split", "Tf32"] | None


class DataHmcFields(TypedDict, total=False):
    """See ``upg config schema``."""

    chains: int | None
    warm_up: int | None
    thin: int | None
    length: float | None


class DataFields(TypedDict, total=False):
    """See ``upg config schema``."""

    train: SourceSpec | str | None
    test: SourceSpec | str | None
    hmc: DataHmcFields | str | None


class EvaluationFields(TypedDict, total=False):
    """See ``upg config schema``."""

    samples: int | None
    blocks: int | None
    ode_steps: int | None
